/**
 * The basis of every scenario: one PostgreSQL, the mock model, servers in their own processes, and what the system
 * reports about these processes. Everything that it starts ends with it, however it ends.
 */
import { execFileSync, fork, spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;

export class Harness {
  children = new Set();

  /** Opens everything, runs `work`, and closes everything again, also on Ctrl-C. */
  static async run({ ephemeral }, work) {
    const harness = new Harness();
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(signal, () => void harness.close().finally(() => process.exit(130)));
    }
    try {
      await harness.open(ephemeral);
      return await work(harness);
    } finally {
      await harness.close();
    }
  }

  async open(ephemeral) {
    this.dir = mkdtempSync(join(tmpdir(), 'parley-bench-'));
    this.janitor = startJanitor(this.dir);
    const { startEmbeddedPostgres } = await importDist('src/platform/embedded-postgres/embedded-postgres.js');
    // As with `npm start`: fsync and synchronous_commit on, and PostgreSQL's defaults for the rest, unless configured otherwise.
    this.postgres = await startEmbeddedPostgres({ dir: join(this.dir, 'postgres'), ephemeral });
    if (this.closing !== undefined) await this.postgres.stop();
  }

  close() {
    this.closing ??= (async () => {
      await Promise.all([...this.children].map((child) => stop(child)));
      await this.postgres?.stop();
      if (this.dir !== undefined) rmSync(this.dir, { recursive: true, force: true });
      this.janitor?.stdin.end();
    })();
    return this.closing;
  }

  /** Makes an empty database and returns its address. */
  async createDatabase(name) {
    await query(this.postgres.url, `create database ${name}`);
    const url = new URL(this.postgres.url);
    url.pathname = `/${name}`;
    return url.href;
  }

  /** Writes dirty pages of earlier rounds to disk, so that the next round is not slowed down by them. */
  checkpoint() {
    return query(this.postgres.url, 'checkpoint');
  }

  /** Starts a Node program that listens on PORT, and waits until it answers. */
  async startServer(name, file, { env = {}, nodeArgs = [], args = [] }) {
    const port = await freePort();
    const child = this.fork(file, {
      args: [...args, ...(env.PORT === undefined && args.length > 0 ? ['--port', String(port)] : [])],
      execArgv: nodeArgs,
      env: { NODE_ENV: 'production', HOST: '127.0.0.1', PORT: String(port), ...env },
    });
    const url = `http://127.0.0.1:${port}`;
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await answers(url))) {
      if (child.exitCode !== null || child.signalCode !== null) throw new Error(`${name} ended at its start`);
      if (Date.now() > deadline) throw new Error(`${name} does not answer`);
      await sleep(50);
    }
    const ask = (question) =>
      new Promise((resolve) => {
        child.once('message', resolve);
        child.send(question);
      });
    return { name, url, pid: child.pid, ask, stop: () => stop(child) };
  }

  /** Starts any other program that listens on a given port, and waits until it answers. Its output goes to a file. */
  async startProgram(name, commandFor, { env = {}, timeoutMs = START_TIMEOUT_MS } = {}) {
    if (this.closing !== undefined) throw new Error('interrupted');
    const port = await freePort();
    const [command, ...args] = commandFor(port);
    const logFile = join(this.dir, `${name}.log`);
    const log = openSync(logFile, 'a');
    const { PATH, HOME } = process.env;
    const cwd = mkdtempSync(join(this.dir, 'cwd-'));
    const child = spawn(command, args, { cwd, env: { PATH, HOME, ...env }, stdio: ['ignore', log, log] });
    closeSync(log);
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    child.once('error', () => this.children.delete(child));
    const url = `http://127.0.0.1:${port}`;
    const deadline = Date.now() + timeoutMs;
    while (!(await answers(url))) {
      if (child.pid === undefined || child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`${name} did not start: ${readFileSync(logFile, 'utf8').trim().split('\n').at(-1)}`);
      }
      await sleep(100);
    }
    return { name, url, pid: child.pid, stop: () => stop(child) };
  }

  /** Starts a Node program without our environment, in its own directory, so that it reads no `.env`. */
  fork(file, { args = [], execArgv = [], env = {} } = {}) {
    if (this.closing !== undefined) throw new Error('interrupted');
    const { PATH, HOME } = process.env;
    const child = fork(file, args, {
      cwd: mkdtempSync(join(this.dir, 'cwd-')),
      env: { PATH, HOME, ...env },
      execArgv,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.children.add(child);
    child.once('exit', () => this.children.delete(child));
    return child;
  }
}

/** A module of the build that is measured. */
export function importDist(path, root = ROOT) {
  return import(pathToFileURL(resolve(root, 'dist', path)).href);
}

/** Runs one statement on its own connection. */
export async function query(url, text, values) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** CPU time of a process with all its threads, in milliseconds; null if the system does not report it. */
export function cpuMs(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // utime and stime, in ticks of 10 ms on every Linux that Node.js runs on.
    return (Number(fields[11]) + Number(fields[12])) * 10;
  } catch {
    return null;
  }
}

/** Resident memory in MB; null if the system does not report it. */
export function rssMb(pid) {
  try {
    return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;
  } catch {
    return null;
  }
}

/** Open file descriptors, including sockets; null if the system does not report them. */
export function openFiles(pid) {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return null;
  }
}

/** The machine and the versions that the figures belong to. */
export function circumstances() {
  const git = (...args) => {
    try {
      return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return null;
    }
  };
  return {
    commit: git('rev-parse', 'HEAD'),
    hasLocalChanges: git('status', '--porcelain', '--', 'src', 'migrations', 'package.json') !== '',
    node: process.version,
    machine: { platform: `${process.platform} ${process.arch}`, cpu: cpus()[0]?.model ?? null, cores: cpus().length },
  };
}

/** A seeded generator of numbers from 0 to below 1 (mulberry32). */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await gone;
  clearTimeout(timer);
}

async function answers(url) {
  try {
    await (await fetch(`${url}/health/ready`, { signal: AbortSignal.timeout(2000) })).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** A port of 127.0.0.1 that is free at the moment. */
export function freePort() {
  return new Promise((found, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => found(port));
    });
  });
}

/**
 * The database server is not our child. This shell waits for the end of its input, which is our end, whatever its cause.
 * Then it stops the server if it still runs, and removes the directory.
 */
function startJanitor(dir) {
  if (process.platform === 'win32') return undefined;
  const script = `read -r _
    find "$0" -name postmaster.pid 2>/dev/null | while read -r file; do kill -QUIT "$(head -n 1 "$file")"; done
    sleep 1; rm -rf "$0"`;
  const janitor = spawn('/bin/sh', ['-c', script, dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  janitor.unref();
  janitor.stdin.unref();
  return janitor;
}
