import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import request from 'supertest';
import { NOT_EXPORTED } from '../../src/modules/privacy/not-exported.js';
import { TestUser } from '../support/as-user.js';
import { readTables, type Table } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { NOTHING_RUNS } from '../support/nothing-runs.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

type Row = Record<string, unknown>;
interface Archive {
  readonly header: { parley_export: number; user_id: string; exported_at: string; tables: string[] };
  readonly rows: { table: string; row: Row }[];
  readonly trailer: { end: true; counts: Record<string, number> };
}

/** Names that look like a secret. */
const SUSPICIOUS = /hash|secret|seed|token|password|wrapped|sealed|cipher|(^|_)key(_|$)|code/;
/** Columns that only look like a secret, with their meaning. */
const HARMLESS: Record<string, string> = {
  'api_keys.tokens_per_minute': 'a number',
  'messages.sealed': 'opened: the row shows content and parts',
  'messages.sealed_comment': 'opened: the row shows the comment',
  'session_summaries.sealed': 'opened: the row shows the content',
  'turn_chunks.sealed': 'opened: the row shows the text',
  'audit_events.hash': "the user's own log can be checked by it",
  'audit_events.previous_hash': "the user's own log can be checked by it",
  'audit_heads.hash': "the user's own log can be checked by it",
  'audit_heads.previous_hash': "the user's own log can be checked by it",
  'idempotency_keys.key': 'made up by the client, and of no use elsewhere',
  'messages.content_tokens': 'a number',
  'messages.error_code': 'why there is no answer',
  'messages.input_tokens': 'a number',
  'messages.output_tokens': 'a number',
  'messages.cached_input_tokens': 'a number',
  'projects.tokens_per_minute': 'a number',
  'prompts.content_tokens': 'a number',
  'usage_entries.cached_input_tokens': 'a number',
  'usage_entries.input_tokens': 'a number',
  'usage_entries.is_own_key': 'whether it was',
  'usage_entries.output_tokens': 'a number',
  'session_summaries.content_tokens': 'a number',
  'sign_in_addresses.address_hash': 'keyed by the server, of no use to anybody else',
  'turns.taken_tokens': 'a number',
  'users.tokens_per_minute': 'a number',
};

let t: TestApp;
let ada: TestUser;
let eve: TestUser;

beforeAll(async () => {
  t = await createTestApp();
  await t.app.listen(0, '127.0.0.1');
  ada = await TestUser.register(t);
  eve = await TestUser.register(t);
});
afterAll(() => t.close());

function parse(text: string): Archive {
  expect(text.endsWith('\n')).toBe(true);
  const lines = text.trimEnd().split('\n');
  const [header, ...rest] = lines.map((line) => JSON.parse(line) as unknown);
  return { header, rows: rest.slice(0, -1), trailer: rest.at(-1) } as Archive;
}

async function exported(user: TestUser): Promise<Archive> {
  const { text } = await user.get('/users/me/export').buffer(true).expect(200);
  return parse(text);
}

const tenantTables = async (): Promise<Table[]> => (await readTables(t.database)).filter(({ owner }) => owner !== null);

/** Compares the archive with the stored rows of a user. */
async function expectWhole(user: TestUser, archive: Archive): Promise<void> {
  const tables = await tenantTables();
  expect(archive.header.tables.sort()).toEqual(tables.map(({ name }) => name).sort());
  for (const { name, owner, columns } of tables) {
    const stored = await t.database.query<{ row: Row }>(
      `select row_to_json(t) as row from ${name} t where ${owner} = $1`,
      [user.id],
    );
    const left = NOT_EXPORTED[name] ?? {};
    const shown = columns.map((column) => column.name).filter((column) => !(column in left || /^sealed/.test(column)));
    const found = archive.rows.filter(({ table }) => table === name).map(({ row }) => row);
    // The audit event of the export is recorded after its snapshot.
    const count = stored.length - (name === 'audit_events' ? 1 : 0);
    expect({ name, count: archive.trailer.counts[name] }).toEqual({ name, count });
    for (const row of found) expect({ name, columns: Object.keys(row) }).toEqual({ name, columns: shown });
    expect(found).toHaveLength(count);
  }
}

async function belongings(user: TestUser, word: string): Promise<string> {
  const { id: project_id } = await user.project({ name: `Project ${word}` });
  await user.prompt(project_id, `Prompt ${word}`);
  const key = word.replace(' ', '-');
  await user
    .patch('/users/me', { display_name: `Name ${word}` })
    .set('idempotency-key', key)
    .expect(200);
  return (await user.turn({ project_id, message: `Message ${word}` })).session_id;
}

describe('an export', () => {
  it('has every row of every table, and every column that is not named as a secret', async () => {
    await belongings(ada, 'of Ada');
    await belongings(eve, 'of Eve');
    // Makes an audit event, so the log is not empty.
    await exported(ada);
    const response = await ada.get('/users/me/export').buffer(true).expect(200);
    const archive = parse(response.text);
    expect(archive.header).toMatchObject({ parley_export: 1, user_id: ada.id });
    expect(Math.abs(Date.parse(archive.header.exported_at) - Date.now())).toBeLessThan(60_000);
    expect(archive.trailer.end).toBe(true);
    await expectWhole(ada, archive);
    for (const part of ['Project', 'Prompt', 'Name', 'Message', 'You said: Message']) {
      expect(response.text).toContain(`${part} of Ada`);
    }
    expect(response.text).not.toContain('of Eve');
    expect(response.text).not.toContain(eve.id);
  });

  it('contains no credential', async () => {
    const { text } = await ada.get('/users/me/export').buffer(true).expect(200);
    const [secrets] = await t.database.query<{ hash: string; seed: string }>(
      `select u.password_hash as hash, encode(s.seed, 'hex') as seed from users u join sign_ins s on s.user_id = u.id where u.id = $1`,
      [ada.id],
    );
    expect(text).not.toContain(secrets?.hash);
    expect(text).not.toContain(secrets?.seed);
    expect(text).not.toContain(ada.accessToken);
    expect(text).not.toContain(ada.refreshToken);
  });

  it('leaves out only columns that exist, and exports a column with a suspicious name only if it is listed as harmless', async () => {
    const columns = (await tenantTables()).flatMap(({ name, columns }) => columns.map((c) => `${name}.${c.name}`));
    const left = Object.entries(NOT_EXPORTED).flatMap(([name, reasons]) =>
      Object.keys(reasons).map((c) => `${name}.${c}`),
    );
    expect(left.filter((name) => !columns.includes(name))).toEqual([]);
    expect(Object.keys(HARMLESS).filter((name) => !columns.includes(name) || left.includes(name))).toEqual([]);
    const unthought = columns.filter(
      (name) => SUSPICIOUS.test(name.split('.')[1] as string) && !left.includes(name) && !(name in HARMLESS),
    );
    expect(unthought).toEqual([]);
  });

  it('includes the rows of a new table, and fails instead of leaving out a table that it cannot read', async () => {
    await t.database.query(`create table made_up (user_id uuid not null, id uuid not null, note text,
      constraint pk_made_up primary key (user_id, id))`);
    try {
      await t.database.query('insert into made_up values ($1, $2, $3)', [ada.id, randomUUID(), 'A later note']);
      await expect(exported(ada)).rejects.toThrow();
      await t.database.query('grant select on made_up to parley_app');
      const archive = await exported(ada);
      expect(archive.rows.filter(({ table }) => table === 'made_up')).toEqual([
        { table: 'made_up', row: { user_id: ada.id, id: expect.any(String) as unknown, note: 'A later note' } },
      ]);
      await expectWhole(ada, archive);
      // The check of suspicious names would find this one.
      expect('api_token').toMatch(SUSPICIOUS);
    } finally {
      await t.database.query('drop table made_up');
    }
  });

  it('comes as a file that no browser opens, under a name of ours', async () => {
    const { headers } = await ada.get('/users/me/export').buffer(true).expect(200);
    expect(headers).toMatchObject({
      'content-type': 'application/x-ndjson',
      'content-disposition': 'attachment; filename="parley-export.jsonl"',
      'x-content-type-options': 'nosniff',
      'content-security-policy': NOTHING_RUNS,
      'cache-control': 'no-store',
    });
  });

  it('is refused without a token', async () => {
    expectProblem(await request(t.server).get('/users/me/export'), 'unauthenticated');
  });
});

describe('a long export', () => {
  const MANY = 400;
  let long: TestUser;

  beforeAll(async () => {
    long = await TestUser.register(t);
    const session = await belongings(long, 'long');
    await t.database.query(
      `insert into messages (user_id, id, session_id, seq, role, content, content_tokens, status, completed_at)
       select $1, gen_random_uuid(), $2, 100 + n, 'user', repeat(md5(n::text), 8000), 1, 'completed', now()
       from generate_series(1, ${MANY}) n`,
      [long.id, session],
    );
  });

  /** A client that asks for the export and reads nothing. */
  async function stalled(): Promise<ReturnType<typeof connect>> {
    // The export of the previous test has ended.
    await expectSoon(async () => expect(await snapshots()).toEqual([]));
    const socket = connect((t.server.address() as AddressInfo).port, '127.0.0.1');
    socket.pause();
    await once(socket, 'connect');
    socket.write(`GET /users/me/export HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${long.accessToken}\r\n\r\n`);
    await expectSoon(async () => expect(await snapshots()).toHaveLength(1));
    return socket;
  }

  const snapshots = (): Promise<object[]> =>
    t.database.query(
      `select state from pg_stat_activity where datname = current_database() and application_name = 'parley-snapshot'`,
    );

  it('waits for a slow client, with little memory and no connection of the pool', async () => {
    const before = process.memoryUsage().rss;
    const socket = await stalled();
    // The export is idle: it fetches nothing while the client does not read.
    await expectSoon(async () => expect(await snapshots()).toEqual([{ state: 'idle in transaction' }]));
    expect(process.memoryUsage().rss - before).toBeLessThan((MANY * 256_000) / 2);
    await Promise.all(Array.from({ length: 2 * t.config.databasePoolSize }, () => long.get('/users/me').expect(200)));
    // Another export of the same user, on another instance.
    const second = await t.another();
    expectProblem(await long.get('/users/me/export'), 'export_in_progress');
    expectProblem(await long.at(second.getHttpServer()).get('/users/me/export'), 'export_in_progress');
    let bytes = 0;
    let tail = '';
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      tail = (tail + chunk.toString()).slice(-2000);
    });
    socket.resume();
    await expectSoon(() => expect(tail).toContain('"end":true'));
    expect(bytes).toBeGreaterThan(MANY * 256_000);
    socket.destroy();
  });

  it('ends when the client disconnects, and another one can begin', async () => {
    const socket = await stalled();
    socket.destroy();
    await expectSoon(async () => expect(await snapshots()).toEqual([]));
    expect((await exported(long)).trailer.counts.messages).toBe(MANY + 2);
  });

  it('is one snapshot: rows written meanwhile are not in it', async () => {
    const socket = await stalled();
    await long.project({ name: 'Too late' });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.resume();
    await expectSoon(() => expect(text.slice(-2000)).toContain('"end":true'));
    expect(text).not.toContain('Too late');
    socket.destroy();
  });

  it('is truncated, without its last line, when the database connection is lost', async () => {
    const socket = await stalled();
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const closed = once(socket, 'close');
    // Wait for the response to begin; before that, a lost connection would give an error response.
    socket.resume();
    await once(socket, 'data');
    socket.pause();
    await t.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'parley-snapshot'`,
    );
    socket.resume();
    await closed;
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(text).not.toContain('"end":true');
    expect((await exported(long)).trailer.end).toBe(true);
  });
});
