import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { Redis } from 'ioredis';
import { eventually } from './server-process.js';

/**
 * Starts Redis, prints its process id, and waits for the end of its input, which comes with `kill` or the end of Jest,
 * so that even a killed Jest leaves no server behind.
 */
const KEEPER = 'redis-server "$@" </dev/null >/dev/null 2>&1 & echo $!; read -r _; kill -9 $!; wait $!';

/** A real Redis on its own port, without persistence. */
export class RedisServer {
  private keeper: ChildProcess | null = null;
  private pid: number;

  private constructor(
    private readonly dir: string,
    readonly port: number,
  ) {}

  static isInstalled(): boolean {
    return spawnSync('redis-server', ['--version']).status === 0;
  }

  /** Has a port, but does not run yet. */
  static async prepare(): Promise<RedisServer> {
    const probe = createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as AddressInfo;
    probe.close();
    await once(probe, 'close');
    return new RedisServer(mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'redis-')), port);
  }

  static async start(): Promise<RedisServer> {
    const server = await RedisServer.prepare();
    await server.start();
    return server;
  }

  /** For REDIS_URL. */
  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** Starts Redis, empty, and waits until it answers. After a `kill` it can be started again. */
  async start(): Promise<void> {
    const options = { port: this.port, bind: '127.0.0.1', save: '', appendonly: 'no', dir: this.dir, daemonize: 'no' };
    const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
    this.keeper = spawn('/bin/sh', ['-c', KEEPER, 'sh', ...args], { cwd: this.dir, stdio: ['pipe', 'pipe', 'ignore'] });
    const [said] = (await once(this.keeper.stdout as Readable, 'data')) as [Buffer];
    this.pid = Number(said.toString());
    await eventually(
      async () => (await this.ask((redis) => redis.ping()).catch(() => '')) === 'PONG',
      () => 'redis-server does not answer',
    );
  }

  /** Runs commands on a connection of their own. */
  async ask<T>(question: (redis: Redis) => Promise<T>): Promise<T> {
    const redis = new Redis(this.url, { lazyConnect: true, disconnectTimeout: 100, retryStrategy: () => null });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      return await question(redis);
    } finally {
      redis.disconnect();
    }
  }

  /** Redis keeps its connections but answers nothing. */
  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  /** Ends a `freeze`. */
  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  /** Kills Redis; its data is lost. */
  async kill(): Promise<void> {
    if (this.keeper === null) return;
    const exited = once(this.keeper, 'exit');
    this.keeper.stdin?.end();
    this.keeper = null;
    await exited;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Tests that need a real Redis. Without Redis, a single test says what is missing. */
export function describeWithRedis(name: string, tests: () => void): void {
  if (RedisServer.isInstalled()) return describe(name, tests);
  it(`${name}: not tested, because redis-server is missing`, () => {
    process.stderr.write(`SKIPPED: ${name}. It takes a redis-server: apt-get install -y redis-server\n`);
  });
}
