import { jest } from '@jest/globals';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import request from 'supertest';
import { SETTINGS_GROUPS } from '../../src/app-config.js';
import { envExample } from '../../src/platform/config/env-example.js';
import { variablesOf } from '../../src/platform/config/variable.decorator.js';
import { Envelope } from '../../src/platform/crypto/envelope.js';
import { TestUser } from '../support/as-user.js';
import { eventually, isAlive, postgresPid } from '../support/server-process.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const CLI = fileURLToPath(new URL('../../dist/src/cli.js', import.meta.url));
// Nothing listens on port 1: a server that happens to run on this machine must not play along.
const NO_SERVER_HERE = { PORT: '1' };

jest.setTimeout(60_000);

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

describe('The command line', () => {
  let dir: string;
  let t: TestApp;
  let url: string;

  beforeAll(async () => {
    dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'cli-'));
    t = await createTestApp();
    await t.app.listen(0, '127.0.0.1');
    url = await t.app.getUrl();
  });

  afterAll(async () => {
    await t.close();
    rmSync(dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  });

  /** Runs the built CLI to its end in a directory without a .env, and in nobody's environment but the given one. */
  function run(
    args: string[],
    env: NodeJS.ProcessEnv = {},
    onOutput?: (out: string, pid: number) => void,
  ): Promise<Outcome> {
    const { PATH, HOME } = process.env;
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: dir,
      env: { PATH, HOME, DATA_DIR: join(dir, 'data'), BCRYPT_COST: '4', OFFLINE_DELAY_MS: '1', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [out, err] = ['', ''];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
      onOutput?.(out, child.pid as number);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  }

  async function withEmptyDatabase(work: (database: TestDatabase) => Promise<void>): Promise<void> {
    const database = await createTestDatabase(null);
    try {
      await work(database);
    } finally {
      await database.drop();
    }
  }

  describe('demo', () => {
    it('starts its own server when none is running, plays to the end and leaves nothing behind', async () => {
      const { code, out, err } = await run(['demo'], NO_SERVER_HERE);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toContain('No server answers at http://localhost:1: starting one');
      expect(out).toMatch(
        /POST \/auth\/register[^]*POST \/projects\n[^]*POST \/projects\/[^]*POST \/chat\n[^]*POST \/chat\n/,
      );
      expect(out).toContain('Earlier messages: 2. You wrote “My name is Ada.');
      expect(out).toMatch(/GET \/chat\/sessions\/[^]*4 messages, oldest first/);
      expect(out).toMatch(/DELETE \/users\/me\n {2}→ 204/);
      expect(isAlive(postgresPid(join(dir, 'data')))).toBe(false);
    });

    it('plays against a running server, writes no colours into a pipe, and deletes its account', async () => {
      const { code, out, err } = await run(['demo', '--url', `${url}/`]);
      expect({ code, err }).toEqual({ code: 0, err: '' });
      expect(out).toContain(`at ${url}`);
      expect(out).toContain('│ You said: What is my name, and what did I ask you before?');
      expect(out).not.toContain('\x1b');
      expect(t.model.requests.at(-1)?.messages.map(({ role }) => role)).toEqual([
        'system',
        'system',
        'user',
        'assistant',
        'user',
      ]);
      expect(await t.database.query('select * from users')).toEqual([]);
    });

    it('keeps the account on request, and says how to sign in', async () => {
      const { code, out } = await run(['demo', '--url', url, '--keep']);
      expect(code).toBe(0);
      const [, email, password] = /sign in with (\S+) and the password (\S+)/.exec(out) ?? [];
      const { body } = await request(t.server).post('/auth/login').send({ email, password }).expect(200);
      const { access_token } = body as { access_token: string };
      await request(t.server)
        .delete('/users/me')
        .send({ password })
        .set('authorization', `Bearer ${access_token}`)
        .expect(204);
    });

    it('fails with one line when the model fails, and still deletes its account', async () => {
      t.model.next((_request, answer) => answer.refuse(401));
      const { code, err } = await run(['demo', '--url', url]);
      expect(err).toMatch(/^demo: .*provider_key_refused: The model provider refused the key of this server\n$/);
      expect(code).toBe(1);
      expect(await t.database.query('select * from users')).toEqual([]);
    });

    it('fails with one line when nothing answers at the address', async () => {
      const { code, out, err } = await run(['demo', '--url', 'http://127.0.0.1:1']);
      expect(err).toBe(
        'demo: No server answers at http://127.0.0.1:1. Start the server with `npm start`, or omit --url.\n',
      );
      expect({ code, out }).toEqual({ code: 1, out: '' });
    });

    it('fails with one line when another program answers there', async () => {
      const other = createServer((_request, response) => response.end('Hello'));
      other.listen(0, '127.0.0.1');
      await once(other, 'listening');
      const { code, err } = await run(['demo', '--url', `http://127.0.0.1:${(other.address() as AddressInfo).port}`]);
      other.close();
      expect(err).toMatch(/^demo: The server at .* is not a Parley server\..*\n$/);
      expect(code).toBe(1);
    });

    it('stops its server and its database when it is interrupted', async () => {
      let isSignalled = false;
      const { code, err } = await run(['demo'], { ...NO_SERVER_HERE, OFFLINE_DELAY_MS: '50' }, (out, pid) => {
        if (isSignalled || !out.includes('│')) return;
        isSignalled = true;
        process.kill(pid, 'SIGINT');
        // As npm does, which passes on what the terminal has sent already.
        process.kill(pid, 'SIGINT');
      });
      expect({ code, err }).toEqual({ code: 130, err: '' });
      const left = postgresPid(join(dir, 'data'));
      await eventually(
        () => !isAlive(left),
        () => `PostgreSQL ${left} is still there`,
      );
    });
  });

  describe('keys rotate', () => {
    it('encrypts every data key with the first master key, and then finds nothing left to do', async () => {
      const [user, next] = [await TestUser.register(t), `2:${randomBytes(32).toString('base64')}`];
      const place = { table: 'things', column: 'secret', ids: [] };
      const sealed = await t.app.get(Envelope).encrypt(user.id, place, 'a secret');
      const env = { DATABASE_URL: t.database.url, MASTER_KEYS: `${next},${t.config.masterKeys}` };
      expect(await run(['keys', 'rotate'], env)).toEqual({
        code: 0,
        out: 'Data keys encrypted with master key 2: 1\n',
        err: '',
      });
      expect(await run(['keys', 'rotate'], env)).toMatchObject({
        code: 0,
        out: 'Data keys encrypted with master key 2: 0\n',
      });
      const app = await t.another({ masterKeys: next });
      expect(await app.get(Envelope).decrypt(user.id, place, sealed)).toBe('a secret');
    });

    it('fails when a version is missing, and names it', async () => {
      const env = { DATABASE_URL: t.database.url, MASTER_KEYS: `9:${randomBytes(32).toString('base64')}` };
      const { code, err } = await run(['keys', 'rotate'], env);
      expect(err).toMatch(/^keys: data keys that could not be re-encrypted: 1 \(MASTER_KEYS lacks version 2, .*\)\n$/);
      expect(code).toBe(1);
    });
  });

  describe('migrate', () => {
    it('lists the migrations that it ran, and says the second time that none is left', async () => {
      await withEmptyDatabase(async ({ url: databaseUrl }) => {
        const first = await run(['migrate'], { DATABASE_URL: databaseUrl });
        expect(first).toMatchObject({ code: 0, err: '' });
        expect(first.out).toMatch(/^(Ran \w+\n)+$/);
        const second = await run(['migrate'], { DATABASE_URL: databaseUrl });
        expect(second).toMatchObject({ code: 0, err: '' });
        expect(second.out).toMatch(/^No migration is missing: the database is at \w+\n$/);
      });
    });

    it('creates the login of the application, which can only take its role', async () => {
      await withEmptyDatabase(async (database) => {
        const app = new URL(database.url);
        app.username = `cli_${Date.now()}`;
        app.password = 'a b+c%27';
        const env = { DATABASE_OWNER_URL: database.url, DATABASE_URL: app.href, NODE_ENV: 'production' };
        expect(await run(['migrate'], env)).toMatchObject({ code: 0, err: '' });
        const roles = await database.query(
          `select rolsuper, rolinherit, rolbypassrls, rolcreaterole from pg_roles where rolname = $1`,
          [app.username],
        );
        expect(roles).toEqual([{ rolsuper: false, rolinherit: false, rolbypassrls: false, rolcreaterole: false }]);
        // A second run with only the new login tells whether it can sign in; it may not migrate.
        const { err } = await run(['migrate'], { DATABASE_URL: app.href });
        expect(err).toMatch(/^migrate: .*permission denied.*\n$/);
        await database.query(`drop role "${app.username}"`).catch(() => undefined);
      });
    });

    it('needs no secret in production, only a database', async () => {
      const { code, err } = await run(['migrate'], { NODE_ENV: 'production' });
      expect(err).toBe('migrate: DATABASE_URL: is required in production\n');
      expect(code).toBe(1);
    });

    it('names the unreachable database in one line, without its password', async () => {
      const { code, err } = await run(['migrate'], { DATABASE_URL: 'postgres://ada:lovelace@127.0.0.1:1/parley' });
      expect(err).toMatch(/^migrate: DATABASE_URL: nothing answers at 127\.0\.0\.1:1: .*\n$/);
      expect(err).not.toContain('lovelace');
      expect(code).toBe(1);
    });
  });

  describe('admin', () => {
    it('makes an account an admin and a user again, and records both', async () => {
      const ada = await TestUser.register(t);
      const env = { DATABASE_URL: t.database.url };
      await ada.get('/admin/users').expect(403);
      const granted = await run(['admin', 'grant', ada.email.toUpperCase()], env);
      expect(granted).toEqual({ code: 0, err: '', out: `${ada.email.toUpperCase()} is now an admin\n` });
      await ada.get('/admin/users').expect(200);
      expect(await run(['admin', 'revoke', ada.email], env)).toMatchObject({ code: 0, err: '' });
      await ada.get('/admin/users').expect(403);
      const { body } = await ada.get('/users/me/audit-events?limit=1').expect(200);
      const { data } = body as { data: unknown[] };
      expect(data).toMatchObject([
        { action: 'account.role_changed', actor: { type: 'system' }, facts: { role: 'user' } },
      ]);
      await ada.erase().expect(204);
    });

    it('fails with one line when no account has the address', async () => {
      const { code, err } = await run(['admin', 'grant', 'nobody@example.com'], { DATABASE_URL: t.database.url });
      expect({ code, err }).toEqual({ code: 1, err: 'admin: no account has this e-mail address\n' });
    });
  });

  describe('prices load', () => {
    const price = {
      provider: 'openai',
      model: 'house-model',
      valid_from: '2026-01-01T00:00:00Z',
      input_micro_usd: 1_000_000,
      output_micro_usd: 4_000_000,
    };
    const listOf = (...prices: unknown[]): string => JSON.stringify({ version: 'house-1', prices });

    async function loadPrices(text: string): Promise<Outcome & { file: string }> {
      const file = join(dir, 'prices.json');
      writeFileSync(file, text);
      return { ...(await run(['prices', 'load', file], { DATABASE_URL: t.database.url })), file };
    }
    const stored = (): Promise<object[]> =>
      t.database.query(
        `select valid_from, input_micro_usd::int as input, output_micro_usd::int as output, version from prices
         where model = 'house-model' order by valid_from`,
      );

    it('replaces the prices of the same models and days, and says how many', async () => {
      const later = { ...price, valid_from: '2026-02-01T00:00:00Z', input_micro_usd: 0 };
      expect(await loadPrices(listOf(price, later))).toMatchObject({ code: 0, err: '', out: 'Prices loaded: 2\n' });
      expect(await loadPrices(listOf({ ...price, output_micro_usd: 5_000_000 }))).toMatchObject({ code: 0 });
      expect(await stored()).toEqual([
        { valid_from: new Date(price.valid_from), input: 1_000_000, output: 5_000_000, version: 'house-1' },
        { valid_from: new Date(later.valid_from), input: 0, output: 4_000_000, version: 'house-1' },
      ]);
    });

    it.each([
      ['is not JSON', 'version: 1', 'it is not JSON'],
      ['is nothing', 'null', 'the list needs a version'],
      ['has no version', '{"prices": []}', 'the list needs a version'],
      ['has no list', '{"version": "1", "prices": {}}', 'the list needs prices'],
      ['has nothing for a price', listOf(price, null), 'price 2: valid_from must be a text'],
      ['has no model', listOf({ ...price, model: undefined }), 'price 1: model must be a text'],
      ['has an invalid date', listOf({ ...price, valid_from: 'soon' }), 'price 1: valid_from must be a time'],
      [
        'has dollars in place of micro-dollars',
        listOf(price, { ...price, model: 'b', input_micro_usd: 2.5 }),
        'price 2: input_micro_usd must be whole micro-dollars for a million tokens',
      ],
      ['has two prices for one day', listOf(price, price), 'price 2: the same model and time are there before'],
      ['has a NUL', listOf({ ...price, model: 'a\0b' }), 'price 1: model must be a text'],
    ])('fails with one line that names the file when it %s, and loads nothing', async (_, text, message) => {
      const before = await stored();
      const { code, out, err, file } = await loadPrices(text);
      expect({ code, out, err }).toEqual({ code: 1, out: '', err: `prices: ${file}: ${message}\n` });
      expect(await stored()).toEqual(before);
    });

    it('fails with one line when there is no such file', async () => {
      const { code, err } = await run(['prices', 'load', 'nowhere.json'], { DATABASE_URL: t.database.url });
      expect({ code, err }).toEqual({ code: 1, err: 'prices: nowhere.json: the file cannot be read (ENOENT)\n' });
    });
  });

  describe('retention run', () => {
    it('deletes expired sessions at once, and says how many', async () => {
      const ada = await TestUser.register(t);
      const { id } = await ada.project({ retention_days: 1 });
      const { session_id } = await ada.turn({ project_id: id });
      await t.database.query(`update chat_sessions set last_active_at = now() - interval '2 days' where id = $1`, [
        session_id,
      ]);
      const env = { DATABASE_URL: t.database.url };
      const [first, second] = [await run(['retention', 'run'], env), await run(['retention', 'run'], env)];
      expect(first).toEqual({ code: 0, err: '', out: 'Deleted: 1 sessions, 2 messages; in 1 projects\n' });
      expect(second).toMatchObject({ code: 0, out: 'Deleted: 0 sessions, 0 messages; in 0 projects\n' });
      await ada.get(`/chat/sessions/${session_id}`).expect(404);
      await ada.erase().expect(204);
    });

    it('fails with one line while a run is under way', async () => {
      await t.database.query(`update nightly_jobs set lease_until = now() + interval '1 minute'`);
      const { code, err } = await run(['retention', 'run'], { DATABASE_URL: t.database.url });
      await t.database.query(`update nightly_jobs set lease_until = '-infinity'`);
      expect({ code, err }).toEqual({ code: 1, err: 'retention: a run is under way already\n' });
    });
  });

  describe('audit verify', () => {
    it('says that all chains are intact, or names the broken one and exits with code 1', async () => {
      const [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
      const env = { DATABASE_URL: t.database.url };
      const whole = await run(['audit', 'verify'], env);
      expect(whole).toMatchObject({ code: 0, err: '' });
      expect(whole.out).toMatch(/^All chains are intact: \d+ chains, \d+ events\n$/);
      await t.database.query('alter table audit_events disable trigger user');
      await t.database.query(`update audit_events set actor_kind = 'admin' where seq = 2 and user_id = $1`, [ada.id]);
      const broken = await run(['audit', 'verify'], env);
      expect(broken).toMatchObject({ code: 1, out: `Broken: user ${ada.id}, event 2: the event was changed\n` });
      expect(broken.err).toMatch(/^audit: broken chains: 1 of \d+\n$/);
      expect(broken.out).not.toContain(eve.id);
      for (const user of [ada, eve]) await user.erase().expect(204);
    });
  });

  describe('openapi', () => {
    it('writes the document that the server serves, formatted like Prettier', async () => {
      const files = [join(dir, 'one.json'), join(dir, 'two.json')] as const;
      for (const file of files) expect(await run(['openapi', '--out', file])).toMatchObject({ code: 0, err: '' });
      const text = readFileSync(files[0], 'utf8');
      expect(readFileSync(files[1], 'utf8')).toBe(text);
      expect(JSON.parse(text)).toEqual((await request(t.server).get('/openapi.json').expect(200)).body);
      expect(await format(text, { parser: 'json', printWidth: 120 })).toBe(text);
    });
  });

  describe('config-example and config-table', () => {
    it('writes every variable as a line to uncomment or edit', async () => {
      expect(await run(['config-example'])).toMatchObject({ code: 0, err: '', out: 'Wrote .env.example\n' });
      const text = readFileSync(join(dir, '.env.example'), 'utf8');
      expect(text).toBe(envExample(SETTINGS_GROUPS));
      for (const { name } of SETTINGS_GROUPS.flatMap((group) => variablesOf(group))) {
        expect(text).toMatch(new RegExp(`^(# )?${name}=`, 'm'));
      }
    });

    it('fails when a file has no place for the table', async () => {
      const file = join(dir, 'no-table.md');
      writeFileSync(file, '# Nothing here\n');
      const { code, err } = await run(['config-table', '--out', file]);
      expect(err).toMatch(/^config-table: there is no place for the table: .*\n$/);
      expect(code).toBe(1);
    });
  });

  describe('a command line that is not understood', () => {
    it.each([
      [[], 'A command is missing.'],
      [['bogus'], 'Unknown command "bogus".'],
      [['constructor'], 'Unknown command "constructor".'],
      [['demo', '--colour'], "Unknown option '--colour'"],
      [['demo', '--url', 'localhost'], '--url: "localhost" is not an address'],
      [['keys', 'turn'], 'Expected: keys rotate'],
      [['audit'], 'Expected: audit verify'],
      [['retention'], 'Expected: retention run'],
      [['prices', 'load'], 'Expected: prices load <file>'],
      [['prices', 'list', 'prices.json'], 'Expected: prices load <file>'],
      [['admin', 'grant'], 'Expected: admin grant <e-mail> or admin revoke <e-mail>'],
      [['migrate', 'twice'], "Unexpected argument 'twice'"],
    ])('%j is answered with the usage and exit code 2', async (args, message) => {
      const { code, out, err } = await run(args);
      expect(err).toContain(message);
      expect(err).toContain('Usage: node dist/src/cli.js <command> [options]');
      expect({ code, out }).toEqual({ code: 2, out: '' });
    });

    it('--help prints the usage', async () => {
      const { code, out, err } = await run(['--help']);
      expect(out).toMatch(/^Usage: /);
      expect({ code, err }).toEqual({ code: 0, err: '' });
    });
  });
});
