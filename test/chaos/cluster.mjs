import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { Proxy } from './proxy.mjs';
import { CANARY } from './upstream.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const READY = /"address":"([^"]+)"/;
const START_LIMIT_MS = 30_000;
/** A supervisor starts a process that ended again, this much later. */
const SUPERVISE_MS = 300;

export const LEASE_MS = 1500;
export const SWEEP_MS = 200;
export const FLUSH_MS = 100;
export const LLM_RETRIES = 1;
/** After this a query that nobody answers is given up by the driver (statement timeout and a second). */
export const QUERY_LIMIT_MS = 4000;

/**
 * One PostgreSQL that writes through to disk, and instances of the built server around it, each behind a proxy of its own.
 * It runs a copy of dist, so that a build meanwhile does no harm, and so that a mutant can be made of it.
 */
export class Cluster {
  slots = [];
  /** Times when the database, or the way to it, was away: for all (`process` null) or for one process. */
  outages = [];
  kills = [];
  rolls = [];
  starts = [];
  deaths = [];
  logFaults = [];
  #isClosing = false;

  constructor(upstreamUrl, instances, hasRedis) {
    this.upstreamUrl = upstreamUrl;
    this.size = instances;
    this.hasRedis = hasRedis;
  }

  async open(mutate) {
    this.dir = mkdtempSync(join(tmpdir(), 'parley-chaos-'));
    this.janitor = startJanitor(this.dir);
    const program = join(this.dir, 'program');
    mkdirSync(program);
    cpSync(join(ROOT, 'dist'), join(program, 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
    writeFileSync(join(program, 'package.json'), '{ "type": "module" }\n');
    await mutate(program);
    this.main = join(program, 'dist', 'src', 'main.js');
    const embedded = pathToFileURL(join(program, 'dist/src/platform/embedded-postgres/embedded-postgres.js')).href;
    const { startEmbeddedPostgres } = await import(embedded);
    // It starts the server again by itself, on the same port and directory, when that was killed.
    this.postgres = await startEmbeddedPostgres({ dir: join(this.dir, 'postgres') });
    await this.query('create database chaos', 'postgres');
    if (this.hasRedis) await this.#startRedis();
    for (let i = 0; i < this.size; i++) {
      const proxy = new Proxy(() => this.postgres.port);
      await proxy.start();
      this.slots.push({ index: i, proxy, generation: 0, process: null, child: null, url: null, isWanted: true });
    }
    await this.start(this.slots[0], { MIGRATE_ON_START: 'true' });
    await Promise.all(this.slots.slice(1).map((slot) => this.start(slot)));
  }

  async close() {
    this.#isClosing = true;
    for (const { child } of this.slots) if (child !== null && child.exitCode === null) child.kill('SIGKILL');
    await Promise.all(this.slots.map(({ gone }) => gone));
    await Promise.all(this.slots.map(({ proxy }) => proxy.stop()));
    this.redis?.kill('SIGKILL');
    await this.postgres?.stop();
    if (this.dir !== undefined) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    this.janitor?.stdin.end();
  }

  url(database = 'chaos') {
    const url = new URL(this.postgres.url);
    url.pathname = `/${database}`;
    return url;
  }

  /** As the owner, past the proxies; for the harness alone. */
  async query(text, database) {
    for (let attempt = 0; ; attempt++) {
      const client = new pg.Client({ connectionString: this.url(database).href, connectionTimeoutMillis: 5000 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        return (await client.query(text)).rows;
      } catch (error) {
        if (attempt === 40) throw error;
        await sleep(250);
      } finally {
        await client.end().catch(() => undefined);
      }
    }
  }

  get ready() {
    return this.slots.filter(({ url }) => url !== null);
  }

  /** Resolves when the slot's new process listens, or has failed to. */
  async start(slot, extra = {}) {
    slot.generation++;
    slot.process = `i${slot.index}g${slot.generation}`;
    slot.isWanted = true;
    this.#noteFrozen(slot);
    const database = this.url();
    database.port = slot.proxy.port;
    const startedAt = Date.now();
    const child = spawn(process.execPath, [this.main], {
      cwd: this.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        PATH: process.env.PATH,
        // As if npm had started it: then it does not outlive a harness that is killed.
        npm_lifecycle_event: 'start',
        NODE_ENV: 'production',
        HOST: '127.0.0.1',
        PORT: '0',
        DATA_DIR: join(this.dir, 'data'),
        DOCS_ENABLED: 'false',
        DATABASE_URL: database.href,
        DATABASE_CONNECT_TIMEOUT_MS: '2000',
        DATABASE_STATEMENT_TIMEOUT_MS: String(QUERY_LIMIT_MS - 1000),
        MIGRATE_ON_START: 'false',
        JWT_SECRET: 'chaos-jwt-key-0123456789-abcdefghijklmno',
        JWT_ACCESS_TTL_SECONDS: '86400',
        PASSWORD_PEPPER: 'chaos-pepper-0123456789-abcdefghijklmnop',
        MASTER_KEYS: `1:${Buffer.from('chaos-master-key-0123456789abcde').toString('base64')}`,
        BCRYPT_COST: '10',
        // Few users send thousands of turns.
        DEFAULT_PLAN: 'unlimited',
        WORKER_THREADS: '1',
        LLM_PROVIDER: 'openai',
        OPENAI_BASE_URL: this.upstreamUrl,
        OPENAI_API_KEY: slot.process,
        BUDGET_UNPRICED_MODELS: 'allow',
        LLM_FIRST_TOKEN_TIMEOUT_MS: '2500',
        LLM_IDLE_TIMEOUT_MS: '1500',
        LLM_RETRIES: String(LLM_RETRIES),
        // What a question meets at the model is for its script to say.
        CIRCUIT_FAILURES: '1000',
        TURN_LEASE_MS: String(LEASE_MS),
        TURN_SWEEP_MS: String(SWEEP_MS),
        TURN_FLUSH_MS: String(FLUSH_MS),
        SHUTDOWN_GRACE_MS: '800',
        SSE_HEARTBEAT_MS: '500',
        ...(this.hasRedis ? { REDIS_URL: `redis://127.0.0.1:${this.redisPort}` } : {}),
        ...extra,
      },
    });
    slot.child = child;
    const { process: name } = slot;
    const failures = [];
    slot.tail = [];
    let listens;
    const listening = new Promise((done) => (listens = done));
    createInterface({ input: child.stdout }).on('line', (line) => {
      slot.tail = [...slot.tail.slice(-4), line.slice(0, 300)];
      const [, address] = READY.exec(line) ?? [];
      if (address !== undefined) {
        slot.url = address;
        this.starts.push({ process: name, at: startedAt, tookMs: Date.now() - startedAt });
        listens();
      }
      this.#judge(name, line);
    });
    createInterface({ input: child.stderr }).on('line', (line) => failures.push(line) < 50);
    slot.gone = new Promise((done) => {
      child.once('close', (code, signal) => {
        if (slot.child === child) Object.assign(slot, { url: null, child: null });
        if (!this.#isClosing && slot.isWanted) {
          this.deaths.push({ process: name, at: Date.now(), code, signal, said: failures.slice(0, 5).join(' | ') });
          setTimeout(() => {
            if (!this.#isClosing && slot.isWanted && slot.child === null) void this.start(slot);
          }, SUPERVISE_MS).unref();
        }
        listens();
        done();
      });
    });
    const isHanging = await Promise.race([listening, sleep(START_LIMIT_MS, true, { ref: false })]);
    if (isHanging !== true || slot.child !== child) return;
    this.deaths.push({
      process: name,
      at: Date.now(),
      said: `not ready ${START_LIMIT_MS} ms after its start`,
      tail: slot.tail,
    });
    // Its end brings the supervisor.
    child.kill('SIGKILL');
  }

  /** kill -9, and the process is back `afterMs` later. Returns false when there is nothing to kill. */
  async kill(slot, afterMs) {
    const { child, url } = slot;
    if (child === null || url === null) return false;
    slot.isWanted = false;
    slot.url = null;
    this.kills.push({ process: slot.process, at: Date.now() });
    child.kill('SIGKILL');
    await slot.gone;
    await sleep(afterMs);
    await this.start(slot);
    return true;
  }

  /** SIGTERM, wait for the end, start anew. */
  async roll(slot) {
    const { child } = slot;
    if (child === null || slot.url === null) return false;
    slot.isWanted = false;
    this.rolls.push({ process: slot.process, at: Date.now() });
    child.kill('SIGTERM');
    // From now on a load balancer sends it nothing new; it still answers for what it has.
    slot.url = null;
    await Promise.race([slot.gone, sleep(15_000, undefined, { ref: false })]);
    if (slot.child === child) {
      this.deaths.push({
        process: slot.process,
        at: Date.now(),
        code: null,
        signal: null,
        said: 'does not end on SIGTERM',
      });
      child.kill('SIGKILL');
      await slot.gone;
    }
    await this.start(slot);
    return true;
  }

  /** The immediate stop of PostgreSQL, as after a loss of power; then it recovers from its log. */
  async restartPostgres(downMs) {
    // It may still be on its way up from the last one.
    await this.query('select 1');
    const at = Date.now();
    const { pid } = this.postgres;
    for (const { proxy } of this.slots) proxy.refuse(true);
    process.kill(pid, 'SIGQUIT');
    await sleep(downMs);
    for (const { proxy } of this.slots) proxy.refuse(false);
    await this.query('select 1');
    this.outages.push({ kind: 'restart', process: null, from: at, to: Date.now(), allowMs: 3000 });
  }

  /** kill -9, and an empty one in its place `downMs` later. */
  async restartRedis(downMs) {
    const gone = once(this.redis, 'close');
    this.redis.kill('SIGKILL');
    await gone;
    await sleep(downMs);
    if (!this.#isClosing) await this.#startRedis();
  }

  async #startRedis() {
    this.redisPort ??= await freePort();
    const options = [
      '--port',
      this.redisPort,
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--pidfile',
      join(this.dir, 'redis.pid'),
    ];
    this.redis = spawn('redis-server', options.map(String), { cwd: this.dir, stdio: 'ignore' });
    await once(this.redis, 'spawn');
  }

  cut(slots) {
    let count = 0;
    for (const slot of slots) {
      count += slot.proxy.cut();
      const at = Date.now();
      this.outages.push({ kind: 'cut', process: slot.process, from: at, to: at, allowMs: 1000 });
    }
    return count;
  }

  async freeze(slots, ms, isLost) {
    for (const slot of slots) {
      slot.proxy.freeze();
      slot.frozenUntil = Date.now() + ms;
      this.#noteFrozen(slot);
    }
    await sleep(ms);
    for (const { proxy } of slots) proxy.thaw({ isLost });
  }

  /** A process that starts behind a frozen proxy is no better off than the one that was there when it froze. */
  #noteFrozen({ process: name, frozenUntil = 0 }) {
    const from = Date.now();
    if (frozenUntil <= from) return;
    this.outages.push({ kind: 'freeze', process: name, from, to: frozenUntil, allowMs: QUERY_LIMIT_MS + 1000 });
  }

  #judge(name, line) {
    if (line.includes(CANARY)) this.logFaults.push({ process: name, kind: 'provider text', line: line.slice(0, 400) });
    const isLoud = /"level":"(error|fatal)"/.test(line);
    const isConstraint = /violates (unique|foreign key|check|not-null)|duplicate key/.test(line);
    if (!isLoud && !isConstraint) return;
    // The database being away is what is being tried; that its absence is told is right.
    if (line.includes('"ExceptionHandler"') && this.slots.every((slot) => slot.process !== name || slot.url === null))
      return;
    if (isLoud && !isConstraint && /database_unavailable|not available|Connection terminated|ECONNREFUSED/.test(line))
      return;
    this.logFaults.push({ process: name, kind: isConstraint ? 'constraint' : 'error', line: line.slice(0, 600) });
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** When the harness is killed, this stops what it has left: the database server; the instances watch their parent. */
function startJanitor(dir) {
  const script = `read -r _
    for _ in 1 2 3 4 5 6; do
      find "$0" -name postmaster.pid 2>/dev/null | while read -r file; do kill -QUIT "$(head -n 1 "$file")"; done
      [ ! -f "$0/redis.pid" ] || kill -9 "$(cat "$0/redis.pid")"
      sleep 0.5
    done
    rm -rf "$0"`;
  const janitor = spawn('/bin/sh', ['-c', script, dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  janitor.unref();
  janitor.stdin.unref();
  return janitor;
}
