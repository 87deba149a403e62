import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ENTITIES } from '../../src/entities.js';
import { newId } from '../../src/kernel/ids.js';
import { AppConfig } from '../../src/platform/config/app-config.js';
import { appDataSource } from '../../src/platform/database/data-source.js';
import { Pipeline, type Statement } from '../../src/platform/database/pipeline.js';
import { SystemScope } from '../../src/platform/database/system-scope.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

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
    const config = Object.assign(new AppConfig(), {
      databaseUrl: wire.url,
      databasePoolSize: 1,
      databaseConnectTimeoutMs: 1000,
    });
    dataSource = await appDataSource(config, ENTITIES, () => undefined).initialize();
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

  const insert = (name: string, { userId } = ada): Statement => ({
    name: 'insert_project',
    text: 'insert into projects (user_id, id, name) values ($1, $2, $3) returning name',
    values: [userId, newId(), name],
  });
  const read: Statement = { name: 'read_projects', text: 'select name from projects order by name', values: [] };
  const whoami: Statement = {
    name: 'whoami',
    text: `select current_setting('app.user_id', true) as tenant, current_user as role, pg_backend_pid() as pid`,
    values: [],
  };
  const stored = async (): Promise<string[]> =>
    (await database.query<{ name: string }>(read.text)).map(({ name }) => name);
  const pid = async (): Promise<unknown> => (await pipeline.run(ada, [whoami]))[0]?.rows[0]?.pid as unknown;

  it('runs its statements in order, each seeing what those before it did, and returns their results in order', async () => {
    const results = await pipeline.run(ada, [insert('one'), read, insert('two'), read]);
    expect(results.map(({ rows }) => (rows as { name: string }[]).map(({ name }) => name))).toEqual([
      ['one'],
      ['one'],
      ['two'],
      ['one', 'two'],
    ]);
    expect(await stored()).toEqual(['one', 'two']);
  });

  it.each([0, 1, 2])('stores all or none: nothing when statement %d of three fails', async (place) => {
    const statements = [insert('one'), insert('two'), insert('three')];
    statements[place] = insert('');
    await expect(pipeline.run(ada, statements)).rejects.toThrow('ck_projects_name');
    expect(await stored()).toEqual([]);
  });

  it('throws the error that came first, not those that follow from it', async () => {
    const first = { name: 'division', text: 'select 1 / $1::int', values: [0] };
    await expect(pipeline.run(ada, [insert('one'), first, insert(''), read])).rejects.toThrow('division by zero');
  });

  it('throws what the catalogue knows of a failure', async () => {
    const taken = { name: 'take', text: 'update users set email = $1', values: [`${eve.userId}@example.com`] };
    await expect(pipeline.run(ada, [taken])).rejects.toMatchObject({ name: 'AppError', code: 'email_taken' });
    const orphan = {
      name: 'orphan',
      text: `insert into chat_sessions (user_id, id, project_id) values ($1, $2, $2)`,
      values: [ada.userId, newId()],
    };
    await expect(pipeline.run(ada, [orphan])).rejects.toMatchObject({ code: 'not_found' });
  });

  it('throws what only COMMIT can see', async () => {
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

  it('uses the same connection again after a failed statement, clean', async () => {
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

  it('works as its tenant and the application role, and leaves neither rows nor tenant to the next', async () => {
    await pipeline.run(ada, [insert("Ada's")]);
    const [own, hers] = [await pipeline.run(ada, [whoami, read]), await pipeline.run(eve, [whoami, read])];
    expect(own[0]?.rows[0]).toMatchObject({ tenant: ada.userId, role: 'parley_app' });
    expect(own[1]?.rows).toEqual([{ name: "Ada's" }]);
    expect(hers[0]?.rows[0]).toMatchObject({ tenant: eve.userId, role: 'parley_app' });
    expect(hers[1]?.rows).toEqual([]);
    const [row] = await dataSource.query<{ tenant: string | null }[]>(whoami.text);
    expect(row?.tenant ?? '').toBe('');
    await expect(pipeline.run(ada, [insert('smuggled', eve)])).rejects.toThrow('row-level security');
  });

  it('refuses a tenant that is no id before anything is sent, and the connection serves the next', async () => {
    await pid();
    wire.forget();
    for (const userId of ['', "'; drop table users; --"]) {
      await expect(pipeline.run({ userId }, [read])).rejects.toThrow('tenant is not an id');
    }
    expect(wire.sent).toBe('');
    await pipeline.run(ada, [insert('next')]);
    expect(await stored()).toEqual(['next']);
  }, 5000);

  it('sends everything, COMMIT too, before the first answer: one round trip', async () => {
    await pipeline.run(ada, [insert('warm'), read]);
    wire.forget();
    wire.hold();
    const running = pipeline.run(ada, [insert('one'), read]);
    // While all answers are held back, COMMIT can only come if nobody waits for one.
    for (let tries = 0; !wire.sent.includes('commit') && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const sent = wire.sent;
    wire.release();
    await running;
    const order = ['begin', 'insert_project', 'read_projects', 'commit'].map((part) => sent.indexOf(part));
    expect(order).toEqual([...order].sort((a, b) => a - b));
    expect(order[0]).toBeGreaterThanOrEqual(0);
    expect(wire.sent).toBe(sent);
  });

  it('has its statements parsed once a connection', async () => {
    await pipeline.run(ada, [read]);
    wire.forget();
    await pipeline.run(ada, [read]);
    expect(wire.sent).toContain('read_projects');
    expect(wire.sent).not.toContain(read.text);
  });

  it('says database_unavailable when the server can not be reached', async () => {
    await wire.cut();
    await expect(pipeline.run(ada, [read])).rejects.toMatchObject({ code: 'database_unavailable' });
    await wire.restore();
    await pipeline.run(ada, [read]);
  });

  it('says database_unavailable when the server goes away in the middle, and takes a new connection next', async () => {
    const before = await pid();
    wire.forget();
    wire.hold();
    const running = pipeline.run(ada, [insert('lost answer')]);
    running.catch(() => undefined);
    for (let tries = 0; !wire.sent.includes('commit') && tries < 100; tries++) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    wire.drop();
    wire.release();
    await expect(running).rejects.toMatchObject({ code: 'database_unavailable' });
    expect(await pid()).not.toEqual(before);
  });

  it('says database_unavailable when the server ends the connection itself', async () => {
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

  it('is not alone in that: the system scope survives the loss of its connection as well', async () => {
    const system = new SystemScope(dataSource);
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
