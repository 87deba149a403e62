import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { bundledPrograms, type Programs } from './bundled-programs.js';
import { type Cluster, lastWords, openCluster, POSTGRES_ENV, workingDirectory } from './cluster.js';
import { isLastToLeave, isLockMisleading, joinServer, type Membership, serverOf } from './membership.js';
import { isGoneWithin, run, unprivilegedAccount } from './run-as.js';

export interface EmbeddedPostgresOptions {
  /** A directory for this server only, created if it is missing. Deleting it deletes the database. */
  readonly dir: string;
  /** TCP port on 127.0.0.1; if it is in use or not given, a free one. */
  readonly port?: number;
  /** For tests: nothing is forced to disk, so a power cut destroys the data. */
  readonly ephemeral?: boolean;
  /** Receives one line for each event that a person may want to know about. */
  readonly log?: (line: string) => void;
}

export interface EmbeddedPostgres {
  /** Address of the database `postgres` as its superuser, password included. */
  readonly url: string;
  readonly port: number;
  /** Process id of the server. */
  readonly pid: number;
  /** Stops using the server, and stops it if no other process uses it. Takes at most about 25 seconds; never rejects. */
  stop(): Promise<void>;
}

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 25;
const HELD_POLL_MS = 250;
const FAST_STOP_MS = 10_000;
const IMMEDIATE_STOP_MS = 7000;
const LOG_LIMIT_BYTES = 10 * 1024 * 1024;
// Temporary refusals: another program took the port, or an earlier server of the directory has not quite ended.
const PORT_TAKEN = /could not create any TCP\/IP sockets/;
const STILL_HELD = /lock file "postmaster\.pid" already exists|pre-existing shared memory block/;

/**
 * Starts the bundled PostgreSQL on a directory, or joins the server that already runs on it: one that a killed process left
 * behind, or one that other processes are using. The last process to stop using the server stops it.
 *
 * The server does not share our process group, so a Ctrl-C does not reach it. If this process is root, it runs as `nobody`.
 * Throws one line that says what to do: no binaries for this machine, a directory of another version, a damaged database.
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dir = resolve(options.dir);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const account = unprivilegedAccount();
  const programs = await bundledPrograms(account);
  const cluster = await openCluster(join(dir, 'cluster'), programs, account, options.ephemeral ?? false);
  const server = new EmbeddedServer(options, dir, programs, cluster);
  await server.reach(options.port);
  return server;
}

class EmbeddedServer implements EmbeddedPostgres {
  private member: Membership;
  private stopping: Promise<void> | undefined;
  private recovery: Promise<void> | undefined;
  private readonly logFile: string;

  constructor(
    private readonly options: EmbeddedPostgresOptions,
    private readonly dir: string,
    private readonly programs: Programs,
    private readonly cluster: Cluster,
  ) {
    this.logFile = join(dir, 'postgres.log');
  }

  get url(): string {
    return `postgres://postgres:${this.cluster.password}@127.0.0.1:${this.port}/postgres`;
  }

  get port(): number {
    return this.member.port;
  }

  get pid(): number {
    return this.member.pid;
  }

  /** Joins the server of the directory; launches one while there is none. */
  async reach(port?: number): Promise<void> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    let nextPort = port;
    let launched: Launched | undefined;
    while (Date.now() < deadline && this.stopping === undefined) {
      const member = await joinServer(this.cluster).catch((error: unknown) => {
        launched?.kill();
        throw error;
      });
      if (member !== undefined) return this.settle(member);
      if (launched?.failure !== undefined) {
        if (PORT_TAKEN.test(launched.failure)) nextPort = undefined;
        else if (STILL_HELD.test(launched.failure)) await sleep(HELD_POLL_MS);
        else throw this.startError(lastWords(launched.failure));
        launched = undefined;
      } else if (launched === undefined && serverOf(this.cluster.data) === undefined) {
        launched = this.launch(nextPort ?? (await freePort()));
      }
      await sleep(POLL_MS);
    }
    launched?.kill();
    throw this.startError(`no answer within ${START_TIMEOUT_MS / 1000} seconds`);
  }

  stop(): Promise<void> {
    this.stopping ??= this.leave().catch((error: Error) => this.log(error.message));
    return this.stopping;
  }

  private settle(member: Membership): void {
    this.member = member;
    member.client.once('end', () => {
      if (this.stopping === undefined) this.recovery = this.comeBack(member.port);
    });
  }

  /** The server was killed, or restarted after a crash. Its users know only the old port. */
  private async comeBack(port: number): Promise<void> {
    this.log('the embedded PostgreSQL ended: starting it again');
    try {
      await this.reach(port);
      if (this.port !== port) this.log(`the embedded PostgreSQL is now on port ${this.port}: restart to use it`);
    } catch (error) {
      if (this.stopping === undefined) this.log((error as Error).message);
    }
  }

  private async leave(): Promise<void> {
    await this.recovery;
    try {
      if (await isLastToLeave(this.member)) await this.shutDown();
    } finally {
      await this.member.client.end().catch(() => undefined);
    }
  }

  private async shutDown(): Promise<void> {
    const { data, account } = this.cluster;
    if (serverOf(data)?.pid !== this.pid) return;
    if (process.platform === 'win32') {
      const args = ['stop', '-m', 'fast', '-t', String(FAST_STOP_MS / 1000), '-D', data];
      await run(this.programs.pgCtl, args, { ...account, cwd: data, env: POSTGRES_ENV, timeoutMs: 2 * FAST_STOP_MS });
      return;
    }
    process.kill(this.pid, 'SIGINT');
    if (await isGoneWithin(this.pid, FAST_STOP_MS)) return;
    process.kill(this.pid, 'SIGQUIT');
    if (!(await isGoneWithin(this.pid, IMMEDIATE_STOP_MS))) this.log(`PostgreSQL (process ${this.pid}) does not stop`);
  }

  private launch(port: number): Launched {
    const { data, account } = this.cluster;
    // PostgreSQL replaces a stale lock file by itself, unless the process id in it belongs to another running program.
    if (isLockMisleading(data)) rmSync(join(data, 'postmaster.pid'), { force: true });
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=100'];
    if (this.options.ephemeral) settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off');
    const args = ['-D', workingDirectory(data, account), '-p', String(port), ...settings.flatMap((s) => ['-c', s])];
    const logSize = statSync(this.logFile, { throwIfNoEntry: false })?.size ?? 0;
    if (logSize > LOG_LIMIT_BYTES) truncateSync(this.logFile);
    const logged = logSize > LOG_LIMIT_BYTES ? 0 : logSize;
    const output = openSync(this.logFile, 'a', 0o600);
    const child = spawn(this.programs.postgres, args, {
      ...account,
      cwd: data,
      env: POSTGRES_ENV,
      detached: true,
      windowsHide: true,
      stdio: ['ignore', output, output],
    });
    closeSync(output);
    child.unref();
    const launched: Launched = { failure: undefined, kill: () => void child.kill('SIGQUIT') };
    child.once('error', (error) => (launched.failure = error.message));
    child.once('exit', () => (launched.failure = readFileSync(this.logFile).subarray(logged).toString()));
    return launched;
  }

  private startError(reason: string): Error {
    const { data, account } = this.cluster;
    const readable = reason.replaceAll(workingDirectory(data, account), data).replace(/\.$/, '');
    return new Error(
      `PostgreSQL cannot start in ${this.dir}: ${readable}. Its log is ${this.logFile}; ` +
        'move the directory away to begin with an empty database, or set DATABASE_URL',
    );
  }

  private log(line: string): void {
    this.options.log?.(line);
  }
}

interface Launched {
  /** What it wrote to its log, once it has ended; undefined while it runs. */
  failure: string | undefined;
  kill(): void;
}

function freePort(): Promise<number> {
  return new Promise((found, failed) => {
    const probe = createServer();
    probe.once('error', failed);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => found(port));
    });
  });
}
