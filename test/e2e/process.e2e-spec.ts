import { jest } from '@jest/globals';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nodeVersionProblem } from '../../src/node-version.js';
import {
  eventually,
  isAlive,
  postgresPid,
  type ServerProcess,
  spawnServer,
  startByNpm,
  startServer,
} from '../support/server-process.js';

const WEAK_AND_FAST = { BCRYPT_COST: '4' };
const CREDENTIALS = { email: 'ada@example.com', password: 'correct horse battery' };

jest.setTimeout(60_000);

describe('The server process', () => {
  let root: string;
  let dataDir: string;
  const started: ServerProcess[] = [];

  beforeAll(() => {
    root = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'process-'));
    dataDir = join(root, 'data');
  });

  afterEach(async () => {
    for (const server of started.splice(0)) await server.stop();
  });

  afterAll(() => {
    rmSync(root, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  async function start(env: NodeJS.ProcessEnv = {}): Promise<ServerProcess> {
    const server = await startServer({ ...WEAK_AND_FAST, DATA_DIR: dataDir, ...env });
    started.push(server);
    return server;
  }

  /** A start that is expected to fail: everything it said, and its exit code. */
  async function fail(env: NodeJS.ProcessEnv): Promise<{ code: number | null; output: string }> {
    const server = spawnServer({ DATA_DIR: dataDir, ...env });
    started.push(server);
    const code = await server.end();
    return { code, output: server.output() };
  }

  function post(server: ServerProcess, path: string, body: unknown): Promise<Response> {
    const headers = { 'content-type': 'application/json' };
    return fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) });
  }

  async function expectNothingLeft(server: ServerProcess, postgres: number | undefined): Promise<void> {
    await eventually(
      () => !isAlive(postgres) && !isAlive(server.pid),
      () => `processes ${server.pid} and ${postgres} should be gone:\n${server.output()}`,
    );
  }

  it('starts without settings, prints its address and its provider, and is live', async () => {
    const server = await start();
    expect(server.output()).toContain(`${server.url}/docs`);
    expect(server.output()).toContain('offline, with canned answers: set LLM_PROVIDER=openai and OPENAI_API_KEY');
    const answer = await fetch(`${server.url}/health/live`);
    expect(answer.status).toBe(200);
  });

  it.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
    'exits with code 0 on %s and leaves no process behind',
    async (signal) => {
      const server = await start();
      const postgres = postgresPid(dataDir);
      expect(isAlive(postgres)).toBe(true);
      expect(await server.stop(signal)).toBe(0);
      await expectNothingLeft(server, postgres);
    },
  );

  it('finds its data again after kill -9, with the database that kept running', async () => {
    const first = await start();
    const postgres = postgresPid(dataDir);
    expect((await post(first, '/auth/register', CREDENTIALS)).status).toBe(201);
    await first.stop('SIGKILL');
    expect(isAlive(postgres)).toBe(true);

    const second = await start();
    expect(postgresPid(dataDir)).toBe(postgres);
    expect((await post(second, '/auth/login', CREDENTIALS)).status).toBe(200);
    await second.stop();
    await expectNothingLeft(second, postgres);
  });

  it('starts after server and database were killed by kill -9', async () => {
    const first = await start();
    const postgres = postgresPid(dataDir);
    await first.stop('SIGKILL');
    process.kill(postgres ?? -1, 'SIGKILL');
    const second = await start();
    expect((await fetch(`${second.url}/health/ready`)).status).toBe(200);
  });

  it('restarts the database when it is killed', async () => {
    const server = await start();
    const postgres = postgresPid(dataDir);
    process.kill(postgres ?? -1, 'SIGKILL');
    await eventually(
      async () => postgresPid(dataDir) !== postgres && (await fetch(`${server.url}/health/ready`)).status === 200,
      () => `the database did not come back:\n${server.output()}`,
    );
  });

  it('shares its database with a second server, and the last one stops it', async () => {
    const first = await start();
    const second = await start();
    const postgres = postgresPid(dataDir);
    await first.stop();
    expect(isAlive(postgres)).toBe(true);
    expect((await fetch(`${second.url}/health/ready`)).status).toBe(200);
    await second.stop();
    await expectNothingLeft(second, postgres);
  });

  it('names the port that is taken, and leaves the database to the server that has it', async () => {
    const first = await start();
    const { port } = new URL(first.url);
    const { code, output } = await fail({ PORT: port });
    expect(output.split('\n')).toContain(
      `Port ${port} is already in use. Stop the other program or choose another port: PORT=${Number(port) + 1} npm start`,
    );
    expect(output).not.toContain('EADDRINUSE');
    expect(code).toBe(1);
    expect((await fetch(`${first.url}/health/ready`)).status).toBe(200);
  });

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'leaves nothing behind when the npm that started it gets %s',
    async (signal) => {
      const npm = await startByNpm({ ...WEAK_AND_FAST, DATA_DIR: dataDir });
      started.push(npm);
      const postgres = postgresPid(dataDir);
      await npm.stop(signal);
      await expectNothingLeft(npm, postgres);
      await expect(fetch(`${npm.url}/health/live`)).rejects.toThrow('fetch failed');
    },
  );

  it('refuses a database directory of another version and says what to do', async () => {
    const oldDir = join(root, 'old');
    const cluster = join(oldDir, 'postgres', 'cluster');
    mkdirSync(join(cluster, 'data'), { recursive: true });
    writeFileSync(join(cluster, 'data', 'PG_VERSION'), '15\n');
    writeFileSync(join(cluster, 'password'), 'x\n');
    const { code, output } = await fail({ DATA_DIR: oldDir });
    expect(output).toMatch(
      /^Parley could not start: .*cluster was made by PostgreSQL 15.*move that directory away.*DATABASE_URL\n$/,
    );
    expect(code).toBe(1);
  });

  it('names the unreachable database without its password', async () => {
    const { code, output } = await fail({ DATABASE_URL: 'postgres://ada:lovelace@127.0.0.1:1/parley' });
    expect(output).toMatch(/^Parley could not start: DATABASE_URL: nothing answers at 127\.0\.0\.1:1: .*\n$/);
    expect(output).not.toContain('lovelace');
    expect(code).toBe(1);
  });

  it('shows TypeScript lines in stack traces', async () => {
    const { output } = await fail({ DATABASE_URL: 'postgres://ada:lovelace@127.0.0.1:1/parley', LOG_LEVEL: 'debug' });
    const source = join(import.meta.dirname, '../../src/platform/database/check-database.ts');
    const [, line] = new RegExp(`at .*checkDatabase \\(${source}:(\\d+):\\d+\\)`).exec(output) ?? [];
    expect(readFileSync(source, 'utf8').split('\n')[Number(line) - 1]).toContain('throw new Error(`${name}: ${reason(');
  });

  it('names every variable that production needs', async () => {
    const { code, output } = await fail({ NODE_ENV: 'production' });
    expect(output).toMatch(/^Cannot start:\n/);
    for (const name of ['DATABASE_URL', 'JWT_SECRET', 'PASSWORD_PEPPER', 'MASTER_KEYS', 'LLM_PROVIDER'])
      expect(output).toContain(`  ${name}: `);
    expect(code).toBe(1);
  });

  it('says that DATA_DIR cannot be used', async () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    const { code, output } = await fail({ DATA_DIR: join(file, 'data') });
    expect(output).toMatch(/^A directory is needed at .*, but a file is in its place\. .*DATA_DIR=…\n$/);
    expect(code).toBe(1);
  });

  it.each([
    ['18.20.8', true],
    ['20.18.3', true],
    ['20.19.0', false],
    ['22.0.0', false],
    ['26.10.0', false],
  ])('Node.js %s is too old: %s', (version, isTooOld) => {
    expect(nodeVersionProblem(version)).toEqual(
      isTooOld ? expect.stringContaining(`needs Node.js 20.19 or newer, this is ${version}`) : undefined,
    );
  });
});
