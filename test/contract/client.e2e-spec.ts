import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import request from 'supertest';
import { createTestApp, type TestApp } from '../support/test-app.js';

const run = promisify(execFile);
const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));
const GENERATED = path('../.generated/');

/** A tool of a package, run by this Node.js: no shell, no PATH. */
async function tool(script: string, ...args: string[]): Promise<void> {
  try {
    await run(process.execPath, [path(`../../node_modules/${script}`), ...args], { cwd: path('../../') });
  } catch (error) {
    const { stdout, stderr } = error as { stdout: string; stderr: string };
    throw new Error(`${script}: ${stdout}${stderr}`, { cause: error });
  }
}

describe('a client that is generated from the OpenAPI document', () => {
  let t: TestApp;

  beforeAll(async () => {
    t = await createTestApp();
    mkdirSync(GENERATED, { recursive: true });
  });
  afterAll(() => t.close());

  it('compiles against it and runs the main use case', async () => {
    const { text } = await request(t.server).get('/openapi.json').expect(200);
    writeFileSync(`${GENERATED}openapi.json`, text);
    await tool('openapi-typescript/bin/cli.js', `${GENERATED}openapi.json`, '--output', `${GENERATED}api.ts`);
    const tsconfig = {
      extends: '../../tsconfig.json',
      compilerOptions: {
        noEmit: true,
        incremental: false,
        types: ['node'],
        lib: ['ES2023', 'DOM', 'DOM.AsyncIterable'],
        rootDir: '../..',
        paths: { 'generated-api': ['./api.ts'] },
      },
      include: [],
      files: ['../contract/client-program.ts'],
    };
    writeFileSync(`${GENERATED}tsconfig.json`, JSON.stringify(tsconfig));
    await tool('typescript/bin/tsc', '-p', `${GENERATED}tsconfig.json`);

    await t.app.listen(0, '127.0.0.1');
    const { playMainJob } = await import('./client-program.js');
    const told = await playMainJob(await t.app.getUrl());
    const deltas = told.filter((line) => line.startsWith('delta: '));
    expect(deltas.map((line) => line.slice('delta: '.length)).join('')).toBe('You said: And then?');
    expect(told.filter((line) => !line.startsWith('delta: '))).toEqual([
      'model: null',
      'prompts: Answer shortly. You know Lisbon.',
      'answer: You said: What should I see?',
      'tokens: number',
      'started: pending',
      'completed: You said: And then?',
      'history: user assistant user assistant, next null',
      'rated: up',
      'missing: 404 not_found',
    ]);
  }, 120_000);
});
