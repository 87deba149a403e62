import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import { fileURLToPath, pathToFileURL } from 'node:url';
import pg from 'pg';
import { Client } from './client.mjs';
import { Mailbox } from './mailbox.mjs';
import { Model } from './model.mjs';
import { Secrets } from './secrets.mjs';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const READY = /"address":"([^"]+)"/;
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
/** What a browser app of ours would be served from, and what mails link to. */
export const APP_URL = 'https://app.parley.dev';

/** So many that only attacks on the limits meet them. */
const GENEROUS = '1000000';

/**
 * What is attacked: a PostgreSQL of its own, a model, a mail server, and as many instances of the built server as the attacks
 * ask for, as production runs them. It runs a copy of dist, so that a build meanwhile does no harm, and so that a defence
 * can be taken out of it.
 */
export class Target {
  model = new Model();
  mailbox = new Mailbox();
  secrets = new Secrets();
  client = new Client();
  /** Every line that any instance has written, to stdout or stderr. */
  log = [];
  /** The addresses of those who have become admins by right. */
  admins = [];
  #servers = new Map();
  #children = new Set();
  settings = {};

  async open(mutate = async () => undefined) {
    this.dir = mkdtempSync(join(tmpdir(), 'parley-attack-'));
    this.janitor = startJanitor(this.dir);
    const program = join(this.dir, 'program');
    mkdirSync(program);
    cpSync(join(ROOT, 'dist'), join(program, 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(program, 'node_modules'));
    writeFileSync(join(program, 'package.json'), '{ "type": "module" }\n');
    await mutate(program);
    this.program = program;
    const embedded = pathToFileURL(join(program, 'dist/src/platform/embedded-postgres/embedded-postgres.js')).href;
    const { startEmbeddedPostgres } = await import(embedded);
    this.postgres = await startEmbeddedPostgres({ dir: join(this.dir, 'postgres'), ephemeral: true });
    const admin = new pg.Client({ connectionString: this.postgres.url });
    await admin.connect();
    await admin.query('create database attack');
    await admin.end();
    const url = new URL(this.postgres.url);
    url.pathname = '/attack';
    this.databaseUrl = url.href;
    this.database = new pg.Client({ connectionString: this.databaseUrl });
    this.database.on('error', () => undefined);
    await this.database.connect();
    await this.model.start();
    await this.mailbox.start();
    this.settings = this.#makeSettings();
    this.main = await this.server('main');
    this.contract = (await this.client.call(this.main, 'GET', '/openapi.json')).body;
  }

  async close() {
    this.client.close();
    await Promise.all([...this.#children].map((child) => this.#stop(child)));
    await this.database?.end().catch(() => undefined);
    await this.model.stop();
    await this.mailbox.stop();
    await this.postgres?.stop();
    if (this.dir !== undefined) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    this.janitor?.stdin.end();
  }

  /** As the owner of the database, for the attacker's judge alone. */
  async query(text, values) {
    return (await this.database.query(text, values)).rows;
  }

  /** The instance of that name; started, with settings of its own, when it is asked for first. */
  server(name, settings = {}, nodeArgs = []) {
    if (!this.#servers.has(name)) this.#servers.set(name, this.#start(name, settings, nodeArgs));
    return this.#servers.get(name);
  }

  /** Lets an instance go that no attack asks for again. */
  async retire(name) {
    const server = await this.#servers.get(name);
    this.#servers.delete(name);
    if (server !== undefined) await this.#stop(server.child);
  }

  /** Makes somebody an admin, as the operator does on the machine. */
  async promote({ id, email }) {
    this.admins.push(email);
    await this.query(`update users set role = 'admin' where id = $1`, [id]);
  }

  async demote({ id }) {
    await this.query(`update users set role = 'user' where id = $1`, [id]);
  }

  /** A file in the temporary directory. */
  file(name, text) {
    const path = join(this.dir, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  #makeSettings() {
    const canary = (kind) =>
      this.secrets.add(kind, `${randomBytes(6).toString('hex')}-${randomBytes(24).toString('hex')}`);
    const masterKey = randomBytes(32);
    this.secrets.add('master key', masterKey.toString('base64'), masterKey.toString('hex'));
    return {
      DATABASE_URL: this.databaseUrl,
      NODE_ENV: 'production',
      HOST: '127.0.0.1',
      PORT: '0',
      DATA_DIR: join(this.dir, 'data'),
      LOG_LEVEL: 'debug',
      CORS_ORIGINS: APP_URL,
      JWT_SECRET: canary('JWT_SECRET'),
      PASSWORD_PEPPER: canary('PASSWORD_PEPPER'),
      MASTER_KEYS: `1:${masterKey.toString('base64')}`,
      BCRYPT_COST: '10',
      PASSWORD_QUEUE: '10000',
      SMTP_URL: this.mailbox.url,
      MAIL_FROM: 'Parley <no-reply@parley.dev>',
      APP_URL,
      LLM_PROVIDER: 'openai',
      OPENAI_BASE_URL: this.model.url,
      OPENAI_API_KEY: canary('OPENAI_API_KEY'),
      LLM_RETRIES: '0',
      LLM_CONNECT_TIMEOUT_MS: '2000',
      MAIL_REQUESTS_PER_ADDRESS: GENEROUS,
      MAILS_PER_RECIPIENT: GENEROUS,
      LOGIN_FAILURES: GENEROUS,
      LOGIN_FAILURES_PER_ADDRESS: GENEROUS,
      SIGN_IN_REQUESTS_PER_ADDRESS: GENEROUS,
      LOGIN_FAILURES_PER_ACCOUNT: GENEROUS,
      REGISTRATIONS_PER_ADDRESS: GENEROUS,
      REFRESHES_PER_ADDRESS: GENEROUS,
      DEFAULT_PLAN: 'unlimited',
    };
  }

  async #start(name, settings, nodeArgs) {
    const main = join(this.program, 'dist', 'src', 'main.js');
    const child = spawn(process.execPath, [...nodeArgs, main], {
      cwd: this.dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      // As if npm had started it: then it does not outlive an attacker that is killed.
      env: { PATH: process.env.PATH, npm_lifecycle_event: 'start', ...this.settings, ...settings },
    });
    this.#children.add(child);
    child.once('close', () => this.#children.delete(child));
    const lines = [];
    const note = (line) => {
      lines.push(line);
      this.log.push(line);
    };
    createInterface({ input: child.stderr }).on('line', note);
    const url = await new Promise((listens, failed) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        note(line);
        const [, address] = READY.exec(line) ?? [];
        if (address !== undefined) listens(address);
      });
      child.once('close', () => failed(new Error(`${name} ended at its start:\n${lines.slice(-5).join('\n')}`)));
      setTimeout(() => failed(new Error(`${name} does not start`)), START_LIMIT_MS).unref();
    });
    return { name, url, port: Number(new URL(url).port), log: lines, child };
  }

  async #stop(child) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('close', done));
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await gone;
    clearTimeout(timer);
  }
}

/** When the attacker is killed, this stops what it has left: the database server; the instances watch their parent. */
function startJanitor(dir) {
  if (process.platform === 'win32') return undefined;
  const script = `read -r _
    for _ in 1 2 3 4 5 6; do
      find "$0" -name postmaster.pid 2>/dev/null | while read -r file; do kill -QUIT "$(head -n 1 "$file")"; done
      sleep 0.5
    done
    rm -rf "$0"`;
  const janitor = spawn('/bin/sh', ['-c', script, dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  janitor.unref();
  janitor.stdin.unref();
  return janitor;
}
