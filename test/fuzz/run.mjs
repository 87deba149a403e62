/**
 * Schemathesis (https://schemathesis.io), an outside judge, against a real server by its own contract: whatever the document
 * allows must be taken, whatever it forbids refused, and every answer must look as it says. The same seed sends the same.
 *
 *   npm run fuzz
 *   npm run fuzz -- --seed 7 --examples 200
 *
 * It needs Python 3.10 or newer, and fetches Schemathesis into a folder that it removes again; with SCHEMATHESIS=/path/to/st
 * that one is used.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Person } from '../attack/people.mjs';
import { ROOT, Target } from '../attack/target.mjs';

/** Pinned: another version asks other questions. */
const SCHEMATHESIS = 'schemathesis==4.32.5';
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
  'negative_data_rejection',
  'missing_required_header',
  'unsupported_method',
  'allow_header_conformance',
  'ignored_auth',
  'use_after_free',
];
/** They end the sign-in, or the account, that everything else is asked with; the attacks and tests ask them. */
const ENDS = ['logout', 'deleteMe', 'deleteSignIn', 'changePassword'];

const { values } = parseArgs({
  options: {
    seed: { type: 'string', multiple: true, default: ['1', '2', '3'] },
    examples: { type: 'string', default: '60' },
    out: { type: 'string', default: join(ROOT, 'test/fuzz/results') },
  },
});

const target = new Target();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => void target.close().finally(() => process.exit(130)));
}
try {
  process.exitCode = await main();
} finally {
  await target.close();
}

async function main() {
  await target.open();
  const program = process.env.SCHEMATHESIS || install(target.dir);
  if (program === null) return 2;
  mkdirSync(values.out, { recursive: true });
  const contract = join(target.dir, 'openapi.json');
  writeFileSync(contract, JSON.stringify(asOnTheWire(target.contract)));
  const failed = [];
  for (const seed of values.seed) {
    const ada = await Person.register(target);
    await ada.belongings();
    if ((await judge(program, contract, seed, ada.token)) !== 0) failed.push(seed);
  }
  process.stdout.write(
    failed.length === 0
      ? `\n0 findings over the seeds ${values.seed.join(', ')}\n`
      : `\nfindings with the seeds ${failed.join(', ')}: see above, and ${values.out}\n`,
  );
  return failed.length === 0 ? 0 : 1;
}

/** The path of the program, or null when it can not be had here, which is said. */
function install(dir) {
  const folder = join(dir, 'python');
  const bin = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin');
  const steps = [
    ['python3', ['-m', 'venv', folder]],
    [join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', SCHEMATHESIS]],
  ];
  for (const [command, args] of steps) {
    const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'inherit', 'pipe'] });
    if (status === 0) continue;
    process.stderr.write(
      `${command} ${args.join(' ')}: ${stderr?.trim().split('\n').at(-1) ?? 'not found'}\n` +
        'npm run fuzz needs Python 3.10 or newer with venv, and a package index that has Schemathesis. Where there is one already:\n' +
        `  pip install ${SCHEMATHESIS} && SCHEMATHESIS="$(command -v st)" npm run fuzz\n`,
    );
    return null;
  }
  return join(bin, 'st');
}

/**
 * The contract says what an event is to a program that has read it; on the wire, where this judge looks, its data is a text.
 * And null in the place of a body that may be left out is taken for none.
 */
function asOnTheWire(document) {
  const copy = structuredClone(document);
  const { schemas } = copy.components;
  const data = { type: 'string', contentMediaType: 'application/json', contentSchema: schemas.TurnEvent };
  schemas.StreamFrame = {
    type: 'object',
    properties: { id: { type: 'string' }, event: { type: 'string' }, data },
    required: ['id', 'event', 'data'],
  };
  for (const { responses } of Object.values(copy.paths).flatMap(Object.values)) {
    const stream = responses['200']?.content?.['text/event-stream'];
    if (stream !== undefined) stream.schema = { $ref: '#/components/schemas/StreamFrame' };
  }
  // Older clients ask for a stream here too. The document describes the operations that do nothing else.
  for (const name of ['SendMessageRequest', 'RegenerateMessageRequest']) delete schemas[name].properties.stream;
  for (const { requestBody } of Object.values(copy.paths).flatMap(Object.values)) {
    if (requestBody?.required !== false) continue;
    for (const media of Object.values(requestBody.content)) media.schema = { anyOf: [media.schema, { type: 'null' }] };
  }
  return copy;
}

function judge(program, contract, seed, token) {
  const args = [
    ...['run', contract, '--url', target.main.url],
    ...['--checks', CHECKS.join(',')],
    ...['--header', `Authorization: Bearer ${token}`],
    ...['--seed', seed, '--max-examples', values.examples, '--workers', '1'],
    ...['--phases', 'examples,coverage,fuzzing,stateful', '--continue-on-failure'],
    ...['--request-timeout', '30', '--suppress-health-check', 'all', '--warnings', 'off'],
    ...['--report', 'ndjson', '--report-ndjson-path', join(values.out, `seed-${seed}.ndjson`)],
    ...ENDS.flatMap((name) => ['--exclude-operation-id', name]),
  ];
  process.stdout.write(`\n=== seed ${seed}\n`);
  return new Promise((done) => {
    const child = spawn(program, args, { cwd: target.dir, stdio: ['ignore', 'inherit', 'inherit'] });
    child.once('error', () => done(1));
    child.once('close', done);
  });
}
