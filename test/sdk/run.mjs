/**
 * Generates clients from openapi.json, compiles them, and lets each play the same job against a real server; then has linters read
 * the document.
 *
 *   npm run sdk:check
 *   npm run sdk:check -- --only go --only linters
 *   npm run sdk:check -- --scratch /tmp/sdk      # keeps the tools and what they wrote in that folder
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { CLIENTS } from './clients.mjs';
import { judge } from './judge.mjs';
import { LINTERS } from './linters.mjs';
import { ROOT, Server } from './server.mjs';
import { Missing, Workshop } from './workshop.mjs';

const { values } = parseArgs({
  options: { only: { type: 'string', multiple: true, default: [] }, scratch: { type: 'string' } },
});
const names = [...CLIENTS.map(({ name }) => name), 'linters'];
const strangers = values.only.filter((name) => !names.includes(name));
if (strangers.length > 0) {
  process.stderr.write(`--only takes ${names.join(', ')}, and not ${strangers.join(', ')}\n`);
  process.exit(2);
}
const isWanted = (name) => values.only.length === 0 || values.only.includes(name);

const scratch = values.scratch === undefined ? mkdtempSync(join(tmpdir(), 'parley-sdk-')) : resolve(values.scratch);
mkdirSync(scratch, { recursive: true });
const document = join(ROOT, 'openapi.json');
const workshop = new Workshop(scratch);
const server = new Server(JSON.parse(readFileSync(document, 'utf8')));
// Never in the scratch folder, which may be kept: each check begins with an empty database.
const data = mkdtempSync(join(tmpdir(), 'parley-sdk-data-'));

async function close() {
  workshop.close();
  await server.close();
  rmSync(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  if (values.scratch === undefined) rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => void close().finally(() => process.exit(130)));
}

const results = [];
try {
  if (CLIENTS.some(({ name }) => isWanted(name))) await server.start(data);
  for (const client of CLIENTS.filter(({ name }) => isWanted(name))) results.push(await check(client));
  for (const linter of isWanted('linters') ? LINTERS : []) results.push(await lint(linter));
} finally {
  await close();
}
report(results);
process.exitCode = results.some(({ fault }) => fault !== undefined) ? 1 : 0;

/** Takes one client from the document to the end of the job. */
async function check(client) {
  const result = { name: client.name, done: [] };
  const email = `${client.name}-${Date.now()}@example.com`;
  const env = { PARLEY_URL: server.url, PARLEY_FUTURE_URL: `${server.url}/future`, PARLEY_EMAIL: email };
  server.patches.length = 0;
  let output = '';
  const steps = [
    ['generates', () => client.generate(workshop, document)],
    ['compiles', () => client.compile(workshop)],
    ['plays', async () => (output = await client.play(workshop, env))],
  ];
  try {
    for (const [step, take] of steps) {
      process.stdout.write(`${client.name}: ${step}\n`);
      await take();
      const faults = step === 'plays' ? judge(email, output, server.patches) : [];
      if (faults.length > 0) throw new Error(faults.join('\n'));
      result.done.push(step);
    }
  } catch (error) {
    Object.assign(result, error instanceof Missing ? { skipped: error.message } : { fault: error.message });
  }
  return result;
}

async function lint({ name, run }) {
  process.stdout.write(`${name}: reads the document\n`);
  try {
    await run(workshop, document);
    return { name, done: ['clean'] };
  } catch (error) {
    return { name, done: [], ...(error instanceof Missing ? { skipped: error.message } : { fault: error.message }) };
  }
}

function report(rows) {
  for (const { name, fault } of rows) if (fault !== undefined) process.stdout.write(`\n=== ${name}\n${fault}\n`);
  process.stdout.write('\n');
  for (const { name, done, skipped, fault } of rows) {
    const end = fault !== undefined ? ['FAILED, see above'] : skipped !== undefined ? [`skipped: ${skipped}`] : [];
    process.stdout.write(`${name.padEnd(24)}${[...done, ...end].join(', ')}\n`);
  }
}
