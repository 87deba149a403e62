import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const RULES = fileURLToPath(new URL('./tools/linters/', import.meta.url));

/** Programs that know good OpenAPI documents. The rules that do not apply are named, with the reason, in tools/linters. */
export const LINTERS = [
  {
    name: 'spectral',
    async run(workshop, document) {
      const program = join(await workshop.npm('linters'), 'node_modules/@stoplight/spectral-cli/dist/index.js');
      const args = ['lint', document, '--ruleset', join(RULES, 'spectral.yaml'), '--fail-severity', 'hint'];
      await workshop.run(process.execPath, [program, ...args]);
    },
  },
  {
    name: 'redocly',
    async run(workshop, document) {
      const program = join(await workshop.npm('linters'), 'node_modules/@redocly/cli/bin/cli.js');
      const args = ['lint', document, '--config', join(RULES, 'redocly.yaml')];
      const env = { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
      await workshop.run(process.execPath, [program, ...args], { env });
    },
  },
  {
    name: 'openapi-spec-validator',
    async run(workshop, document) {
      const bin = await workshop.python('openapi-spec-validator');
      await workshop.run(join(bin, 'openapi-spec-validator'), [document]);
    },
  },
];
