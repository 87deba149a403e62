import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { newId } from '../../src/kernel/ids.js';
import { DatabaseConfig } from '../../src/platform/database/database.config.js';
import { appDataSource } from '../../src/platform/database/data-source.js';
import { takeClient } from '../../src/platform/database/pg-pool.js';
import { Pipeline } from '../../src/platform/database/pipeline.js';
import type { Statement } from '../../src/platform/database/statement.js';
import { SystemScope } from '../../src/platform/database/system-scope.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { ENTITIES } from '../support/entities.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/** The message that ends a transaction of the extended protocol. */
const SYNC = 'S\0\0\0\u0004';

describe('a pipeline', () => {
  let database: TestDatabase;
  let wire: TcpProxy;
  let dataSource: DataSource;
  let pipeline: Pipeline;
  const ada = { userId: newId() };
  const eve = { userId: newId() };

  beforeAll(async () => {
    Logger.overrideLogger(false);
    database = await createTestDatabase();
    wire = await TcpProxy.start(database.url);
    const config = Object.assign(new DatabaseConfig(), {
      databaseUrl: wire.url,
      databasePoolSize: 1,
      databaseConnectTimeoutMs: 1000,
    });
    dataSource = await appDataSource(config, PRODUCT_DATABASE, ENTITIES).initialize();
    pipeline = new Pipeline(dataSource);
    for (const { userId } of [ada, eve]) {
      await database.query('insert into users (id, email, password_hash) values ($1, $2, $3)', [
        userId,
        `${userId}@example.com`,
        'x',
      ]);
    }
  });
  beforeEach(async () => void (await database.query('delete from projects')));
  afterAll(async () => {
    await dataSource.destroy();
    await wire.cut();
    await database.drop();
  });

  const insert = (name: string, { userId } = ada): Statement<{ name: string }> => ({
    name: 'insert_project',
    text: 'insert into projects (user_id, id, name) values ($1, $2, $3) returning name',
    values: [userId, newId(), name],
  });
  const read: Statement<{ name: string }> = {
    name: 'read_projects',
    text: 'select name from projects order by name',
    values: [],
  };
  const whoami: Statement<{ tenant: string; role: string; pid: number }> = {
    name: 'whoami',
    text: `select current_setting('app.user_id', true) as tenant, current_user as role, pg_backend_pid() as pid`,
    values: [],
  };
  const stored = async (): Promise<string[]> =>
    (await database.query<{ name: string }>(read.text)).map(({ name }) => name);
  const pid = async (): Promise<unknown> => (await pipeline.run(ada, [whoami]))[0][0]?.pid;

  it('runs its statements in order, each seeing the effects of the earlier ones, and returns the results in order', async () => {
    const results = await pipeline.run(ada, [insert('one'), read, insert('two'), read]);
    expect(results.map((rows) => rows.map(({ name }) => name))).toEqual([['one'], ['one'], ['two'], ['one', 'two']]);
    expect(await stored()).toEqual(['one', 'two']);
  });

  it('runs the statements in `ahead` first, and does not return their rows', async () => {
    const results = await pipeline.run(ada, [read], [insert('one'), insert('two')]);
    expect(results).toEqual([[{ name: 'one' }, { name: 'two' }]]);
  });

  it.each([0, 1, 2])('stores all or none: nothing when statement %d of three fails', async (place) => {
    const statements = [insert('one'), insert('two'), insert('three')];
    statements[place] = insert('');
    await expect(pipeline.run(ada, statements)).rejects.toThrow('ck_projects_name');
    expect(await stored()).toEqual([]);
  });

  it('throws the first error, not its consequences', async () => {
    const first = { name: 'division', text: 'select 1 / $1::int', values: [0] };
    await expect(pipeline.run(ada, [insert('one'), first, insert(''), read])).rejects.toThrow('division by zero');
  });

  it('shows the caller in the stack of an error', async () => {
    const failed = pipeline.run(ada, [{ name: 'wrong', text: 'select wrong', values: [] }]);
    await expect(failed).rejects.toMatchObject({ stack: expect.stringContaining('pipeline.spec') as string });
  });

  it('maps failures to the catalogue', async () => {
    const taken = { name: 'take', text: 'update users set email = $1', values: [`${eve.userId}@example.com`] };
    await expect(pipeline.run(ada, [taken])).rejects.toMatchObject({ name: 'AppError', code: 'email_taken' });
    const orphan = {
      name: 'orphan',
      text: `insert into chat_sessions (user_id, id, project_id) values ($1, $2, $2)`,
      values: [ada.userId, newId()],
    };
    await expect(pipeline.run(ada, [orphan])).rejects.toMatchObject({ code: 'not_found' });
  });

  it('throws errors that occur only at COMMIT', async () => {
    const projectId = newId();
    const project = {
      name: 'project',
      text: `insert into projects (user_id, id, name) values ($1, $2, 'x')`,
      values: [ada.userId, projectId],
    };
    const prompt = (): Statement => ({
      name: 'prompt',
      text: `insert into prompts (user_id, id, project_id, content, content_tokens, position) values ($1, $2, $3, 'x', 1, 0)`,
      values: [ada.userId, newId(), projectId],
    });
    await expect(pipeline.run(ada, [project, prompt(), prompt()])).rejects.toThrow('uq_prompts_position');
    expect(await stored()).toEqual([]);
  });

  it('reuses the connection after a failed statement, without leftovers', async () => {
    const before = await pid();
    for (const bad of [
      insert(''),
      { name: 'typo', text: 'selekt 1', values: [] },
      { ...read, name: 'bad', values: [1] },
    ]) {
      await expect(pipeline.run(ada, [insert('x'), bad])).rejects.toThrow();
    }
    expect(await pid()).toEqual(before);
    await pipeline.run(ada, [insert('after all')]);
    expect(await stored()).toEqual(['after all']);
  });

  it('runs as its tenant with the application role, and leaves neither rows nor the tenant behind', async () => {
    await pipeline.run(ada, [insert("Ada's")]);
    const [own, hers] = [await pipeline.run(ada, [whoami, read]), await pipeline.run(eve, [whoami, read])];
    expect(own[0][0]).toMatchObject({ tenant: ada.userId, role: 'parley_app' });
    expect(own[1]).toEqual([{ name: "Ada's" }]);
    expect(hers[0][0]).toMatchObject({ tenant: eve.userId, role: 'parley_app' });
    expect(hers[1]).toEqual([]);
    const [row] = await dataSource.query<{ tenant: string | null }[]>(whoami.text);
    expect(row?.tenant ?? '').toBe('');
    await expect(pipeline.run(ada, [insert('smuggled', eve)])).rejects.toThrow('row-level security');
  });

  it('refuses a tenant that is not an id before it sends anything, and the connection stays usable', async () => {
    await pid();
    wire.forget();
    for (const userId of ['', "'; drop table users; --"]) {
      await expect(pipeline.run({ userId }, [read])).rejects.toThrow('tenant is not an id');
    }
    expect(wire.sent).toBe('');
    await pipeline.run(ada, [insert('next')]);
    expect(await stored()).toEqual(['next']);
  }, 5000);

  it('sends everything, including the commit, before the first answer: one round trip, one transaction', async () => {
    await pipeline.run(ada, [insert('warm'), read]);
    wire.forget();
    wire.hold();
    const running = pipeline.run(ada, [insert('one'), read]);
    // All answers are held back, so the end is sent only if nothing waits for an answer.
    for (let tries = 0; !wire.sent.includes(SYNC) && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const sent = wire.sent;
    wire.release();
    await running;
    const order = ['set_tenant', 'insert_project', 'read_projects', SYNC].map((part) => sent.indexOf(part));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThanOrEqual(0);
    // Nothing is committed before the end, and nothing is sent after it.
    expect(sent.split(SYNC)).toEqual([expect.any(String), '']);
    expect(wire.sent).toBe(sent);
  });

  it('parses its statements once per connection', async () => {
    await pipeline.run(ada, [read]);
    wire.forget();
    await pipeline.run(ada, [read]);
    expect(wire.sent).toContain('read_projects');
    expect(wire.sent).not.toContain(read.text);
  });

  it('parses them in the same round trip, and asks for their columns only once', async () => {
    const fresh: Statement = { name: 'fresh', text: 'select $1::int as one', values: [1] };
    await pipeline.run(ada, [read]);
    wire.forget();
    wire.hold();
    const running = pipeline.run(ada, [fresh, read, fresh]);
    for (let tries = 0; wire.sent.split(SYNC).length < 3 && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    wire.release();
    expect(await running).toEqual([[{ one: 1 }], [], [{ one: 1 }]]);
    expect(wire.sent.split(fresh.text)).toHaveLength(2);
    const described = (name: string): string => `D\0\0\0${String.fromCharCode(name.length + 6)}S${name}\0`;
    expect(wire.sent).toContain(described('fresh'));
    wire.forget();
    await pipeline.run(ada, [fresh, read]);
    expect(wire.sent).not.toContain('D\0\0\0');
  });

  it('shares the parsed statements of a connection with the queries of pg', async () => {
    const shared: Statement = { name: 'shared', text: 'select 7 as seven', values: [] };
    const other: Statement = { name: 'other', text: 'select 8 as eight', values: [] };
    const ask = async ({ name, text }: Statement): Promise<unknown> => {
      const client = await takeClient(dataSource);
      const { rows } = await client.query({ name, text }).finally(() => client.release());
      return rows;
    };
    expect(await ask(shared)).toEqual([{ seven: 7 }]);
    expect(await pipeline.run(ada, [shared, other])).toEqual([[{ seven: 7 }], [{ eight: 8 }]]);
    expect(await ask(other)).toEqual([{ eight: 8 }]);
  });

  it('parses a statement again after a failed parse, and refuses a second statement with the same name', async () => {
    const late: Statement = { name: 'late', text: 'select * from late_table', values: [] };
    await expect(pipeline.run(ada, [late])).rejects.toThrow('late_table');
    await database.query('create table late_table as select 1 as one; grant select on late_table to parley_app');
    expect((await pipeline.run(ada, [late]))[0]).toEqual([{ one: 1 }]);
    for (const { name } of [late, { name: 'by_pg' }]) {
      const client = await takeClient(dataSource);
      await client.query({ name: 'by_pg', text: 'select 3 as three' }).finally(() => client.release());
      await expect(pipeline.run(ada, [{ ...late, name, text: 'select 2' }])).rejects.toThrow(
        `two statements are called ${name}`,
      );
    }
    const twins = ['select 4', 'select 5'].map((text) => ({ name: 'twin', text, values: [] }));
    await expect(pipeline.run(ada, twins)).rejects.toThrow('two statements are called twin');
    await database.query('drop table late_table');
  });

  it('reads and sends values with the same types as pg', async () => {
    const date = new Date('2026-01-02T03:04:05.678Z');
    const types: Statement = {
      name: 'types',
      text: 'select $1::timestamptz as a, $2::jsonb as b, $3::bytea as c, $4::text[] as d, $5::int as e, $6::boolean as f',
      values: [date, { x: [1, 'y'] }, Buffer.from([0, 255]), ['p', 'q"'], null, true],
    };
    expect((await pipeline.run(ada, [types]))[0]).toEqual([
      { a: date, b: { x: [1, 'y'] }, c: Buffer.from([0, 255]), d: ['p', 'q"'], e: null, f: true },
    ]);
  });

  it('sends nothing when a value of the transaction cannot be sent', async () => {
    const bad = {
      toPostgres: () => {
        throw new Error('no value');
      },
    };
    await pid();
    wire.forget();
    await expect(
      pipeline.run(ada, [insert('one'), { ...insert('two'), values: [ada.userId, newId(), bad] }]),
    ).rejects.toThrow('no value');
    expect(wire.sent).toBe('');
    expect(await stored()).toEqual([]);
  });

  it('throws database_unavailable when the server cannot be reached', async () => {
    await wire.cut();
    await expect(pipeline.run(ada, [read])).rejects.toMatchObject({ code: 'database_unavailable' });
    await wire.restore();
    await pipeline.run(ada, [read]);
  });

  it('throws database_unavailable when the server disappears in the middle, and then uses a new connection', async () => {
    const before = await pid();
    wire.forget();
    wire.hold();
    const running = pipeline.run(ada, [insert('lost answer')]);
    running.catch(() => undefined);
    for (let tries = 0; !wire.sent.includes(SYNC) && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    wire.drop();
    wire.release();
    await expect(running).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await pid()).not.toEqual(before);
  });

  it('uses a new connection after an answer that took too long', async () => {
    const config = Object.assign(new DatabaseConfig(), {
      databaseUrl: wire.url,
      databasePoolSize: 1,
      databaseStatementTimeoutMs: 100,
    });
    const hasty = await appDataSource(config, PRODUCT_DATABASE, ENTITIES).initialize();
    const hastyPipeline = new Pipeline(hasty);
    await hastyPipeline.run(ada, [read]);
    wire.hold();
    const running = hastyPipeline.run(ada, [read]);
    await expect(running).rejects.toMatchObject({ code: 'database_unavailable' });
    wire.release();
    // At once, before the old connection has reported that it is closed.
    expect((await hastyPipeline.run(ada, [whoami]))[0]).toMatchObject([{ tenant: ada.userId }]);
    await hasty.destroy();
  });

  it('throws database_unavailable when the server closes the connection', async () => {
    const sleeping = pipeline.run(ada, [{ name: 'sleep', text: 'select pg_sleep(10)', values: [] }]);
    sleeping.catch(() => undefined);
    let ended = 0;
    for (let tries = 0; ended === 0 && tries < 100; tries++) {
      const rows = await database.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
         where datname = current_database() and query like '%pg_sleep%' and pid <> pg_backend_pid() and state = 'active'`,
      );
      ended = rows.length;
    }
    await expect(sleeping).rejects.toMatchObject({ code: 'database_unavailable' });
    await pipeline.run(ada, [insert('back')]);
    expect(await stored()).toEqual(['back']);
  });

  it('is not the only one: the system scope survives the loss of its connection too', async () => {
    const system = new SystemScope(dataSource, PRODUCT_DATABASE);
    const ask = (): Promise<unknown> =>
      system.query('a test', { name: 'system_whoami', text: 'select current_user as role', values: [] });
    expect(await ask()).toMatchObject({ rows: [{ role: 'parley_system' }] });
    wire.forget();
    wire.hold();
    const running = ask();
    running.catch(() => undefined);
    for (let tries = 0; !wire.sent.includes('commit') && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    wire.drop();
    wire.release();
    await expect(running).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await ask()).toMatchObject({ rows: [{ role: 'parley_system' }] });
  });
});
