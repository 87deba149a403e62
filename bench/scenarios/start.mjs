/** From `node dist/src/main.js` to the first answer of /health/ready, with the embedded database: without and with existing data. */
import { spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { median, spread, table } from '../figures.mjs';
import { cpuMs, freePort, Harness, ROOT, rssMb } from '../harness.mjs';

const LIMIT_MS = 60_000;
const IDLE_AFTER_MS = 2000;
const STARTS = 5;

export const start = {
  name: 'start',
  summary: 'from the command to ready, cold and warm, and what an idle server takes',
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const cold = [];
  const warm = [];
  for (let i = 0; i < STARTS; i += 1) {
    const dir = mkdtempSync(join(harness.dir, 'start-'));
    cold.push(await once(dir, options));
    warm.push(await once(dir, options));
  }
  const results = { cold, warm };
  const rows = Object.entries(results).map(([name, runs]) => [
    name,
    spread(
      runs.map(({ readyMs }) => readyMs),
      0,
    ),
    spread(
      runs.map(({ cpu }) => cpu),
      0,
    ),
    spread(
      runs.map(({ rss }) => rss),
      0,
    ),
  ]);
  const headline = Object.fromEntries(
    Object.entries(results).flatMap(([name, runs]) => [
      [`ready ms, ${name}`, median(runs.map(({ readyMs }) => readyMs))],
      [`idle MB, ${name}`, median(runs.map(({ rss }) => rss))],
    ]),
  );
  return { results, headline, text: table(['start', 'ready after ms', 'CPU of the server ms', 'idle RSS MB'], rows) };
}

async function once(dir, { nodeArgs }) {
  const port = await freePort();
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, PORT: String(port), HOST: '127.0.0.1', DATA_DIR: join(dir, 'data'), LOG_LEVEL: 'warn' };
  const began = performance.now();
  const child = spawn(process.execPath, [...nodeArgs, resolve(ROOT, 'dist/src/main.js')], {
    cwd: dir,
    env,
    stdio: 'ignore',
  });
  try {
    while (!(await isReady(port))) {
      if (child.exitCode !== null) throw new Error('the server ended at its start');
      if (performance.now() - began > LIMIT_MS) throw new Error('the server is not ready after a minute');
      await sleep(10);
    }
    const readyMs = performance.now() - began;
    const cpu = cpuMs(child.pid);
    await sleep(IDLE_AFTER_MS);
    return { readyMs, cpu, rss: rssMb(child.pid) };
  } finally {
    const gone = new Promise((done) => child.once('exit', done));
    if (child.exitCode === null) {
      child.kill('SIGTERM');
      await gone;
    }
  }
}

async function isReady(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/health/ready`)).ok;
  } catch {
    return false;
  }
}
