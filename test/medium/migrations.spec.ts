import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import pg from 'pg';
import request from 'supertest';
import { ownerDataSource } from '../../src/platform/database/data-source.js';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/platform/embedded-postgres/embedded-postgres.js';
import { migrate as migrateProduct } from '../../src/platform/database/migrate.js';
import { findMigrations, loadMigrations } from '../../src/platform/database/migration-files.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { readTables } from '../support/catalogue.js';
import { ENTITIES } from '../support/entities.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const FILES = findMigrations(PRODUCT_DATABASE.migrations);
const ALL = FILES.map(({ name }) => name);
const migrate = (ownerUrl: string, appUrl?: string): Promise<string[]> =>
  migrateProduct(PRODUCT_DATABASE, ownerUrl, appUrl);

let database: TestDatabase;
/** Logins belong to the server, not to the database of a test, so the tests remove them. */
const logins: string[] = [];

beforeEach(async () => {
  database = await createTestDatabase(null);
});
afterEach(async () => {
  const admin = new URL(database.url);
  admin.pathname = '/postgres';
  await database.drop();
  for (const login of logins.splice(0)) await run(admin.href, `drop role if exists ${login}`);
});

async function run(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<object>(sql)).rows;
  } finally {
    await client.end();
  }
}

function loginUrl(login: string, password: string): string {
  const url = new URL(database.url);
  url.username = login;
  url.password = password;
  return url.href;
}

const newLogin = (): string => {
  const login = `parley_test_${randomBytes(6).toString('hex')}`;
  logins.push(login);
  return login;
};

/** The schema that the migrations create, as PostgreSQL describes it. */
async function schema(): Promise<unknown> {
  const details = await database.query(`
    select 'constraint' as kind, conrelid::regclass::text || '.' || conname as name, pg_get_constraintdef(oid) as definition
    from pg_constraint where connamespace = 'public'::regnamespace and conrelid <> 0
    union all
    select 'index', indexname, indexdef from pg_indexes where schemaname = 'public'
    union all
    select 'policy', tablename || '.' || policyname, concat_ws(' ', roles::text, cmd, qual, with_check) from pg_policies
    union all
    select 'table', relname, concat_ws(' ', relrowsecurity, relforcerowsecurity, reloptions::text, relacl::text)
    from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    union all
    select 'column', table_name || '.' || column_name, concat_ws(' ', data_type, datetime_precision, is_nullable, column_default)
    from information_schema.columns where table_schema = 'public'
    order by 1, 2`);
  return details;
}

async function undo(migrations = ALL): Promise<void> {
  const dataSource = await ownerDataSource(database.url, await loadMigrations(FILES)).initialize();
  try {
    for (const _ of migrations) await dataSource.undoLastMigration();
  } finally {
    await dataSource.destroy();
  }
}

describe('the migrations', () => {
  it('are found in their folder, oldest first, and named after their files', async () => {
    expect(ALL.slice(0, 2)).toEqual(['Init1763900000000', 'TurnCrashes1763950000000']);
    expect(ALL).toHaveLength(readdirSync(PRODUCT_DATABASE.migrations).length);
    const times = ALL.map((name) => Number(name.slice(-13)));
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    const migrations = (await loadMigrations(FILES)).map((Migration) => new Migration().name);
    expect(migrations).toEqual(ALL);
    await expect(loadMigrations([{ name: 'Other1', path: FILES[0]?.path as string }])).rejects.toThrow(
      'has no class Other1',
    );
  });

  it('are loaded only when there is one to run', async () => {
    await migrate(database.url);
    const broken = mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'broken-'));
    for (const { path } of FILES) writeFileSync(join(broken, basename(path)), 'this is no program');
    expect(await migrateProduct({ ...PRODUCT_DATABASE, migrations: broken }, database.url)).toEqual([]);
  });

  it('lead to the same schema after up, down and up again', async () => {
    expect(await migrate(database.url)).toEqual(ALL);
    const first = await schema();
    await undo();
    expect((await readTables(database)).map(({ name }) => name)).toEqual(['schema_migrations']);
    expect(await migrate(database.url)).toEqual(ALL);
    expect(await schema()).toEqual(first);
  });

  it('create what the entities declare: columns, keys, foreign keys, checks and indexes', async () => {
    await migrate(database.url);
    const dataSource = await ownerDataSource(database.url, [], ENTITIES).initialize();
    try {
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
      // TypeORM compares checks only by name, so their expressions are compared here.
      const checks = dataSource.entityMetadatas.flatMap(({ tableName: table, checks }) =>
        checks.map(({ name, expression }) => ({ table, name, expression })),
      );
      expect(await parsed(checks)).toEqual(await definitions(checks.map(({ name }) => name)));
    } finally {
      await dataSource.destroy();
    }
  });

  it('run once: the second run finds nothing to do', async () => {
    await migrate(database.url);
    expect(await migrate(database.url)).toEqual([]);
  });

  it('run once when several instances start together, and all instances start', async () => {
    const ran = await Promise.all([1, 2, 3].map(() => migrate(database.url)));
    expect(ran.filter((names) => names.length > 0)).toEqual([ALL]);
  });

  it('let queries proceed while a table is locked, and continue when it is free', async () => {
    await migrate(database.url);
    await undo(ALL.slice(1));
    const reader = new pg.Client({ connectionString: database.url });
    await reader.connect();
    const tables = (await readTables(database)).map(({ name }) => name).filter((name) => name !== 'schema_migrations');
    await reader.query(`begin; lock table ${tables.join(', ')} in access share mode`);
    const migrating = migrate(database.url);
    const awaited = async (): Promise<number> =>
      (await database.query(`select from pg_locks where mode = 'AccessExclusiveLock' and not granted`)).length;
    await expectSoon(async () => expect(await awaited()).toBe(1));
    await expectSoon(async () => expect(await awaited()).toBe(0));
    await reader.end();
    expect(await migrating).toEqual(ALL.slice(1));
  });

  it('wait for another instance that is migrating', async () => {
    await migrate(database.url);
    const blocker = new pg.Client({ connectionString: database.url });
    await blocker.connect();
    await blocker.query('begin; lock table schema_migrations');
    const both = Promise.all([migrate(database.url), migrate(database.url)]);
    const locks = `select count(*) filter (where granted)::int as held, count(*) filter (where not granted)::int as awaited
      from pg_locks where locktype = 'advisory' and database = (select oid from pg_database where datname = current_database())`;
    await expectSoon(async () => expect(await database.query(locks)).toEqual([{ held: 1, awaited: 1 }]));
    await blocker.end();
    expect(await both).toEqual([[], []]);
    expect(await database.query(locks)).toEqual([{ held: 0, awaited: 0 }]);
  });
});

/** Check constraints of the database, by name. */
async function definitions(names: string[]): Promise<Record<string, string>> {
  const rows = await database.query<{ name: string; definition: string }>(
    `select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint where contype = 'c' and conname = any ($1)`,
    [names],
  );
  return Object.fromEntries(rows.map(({ name, definition }) => [name, definition]));
}

/** The check constraints that the entities declare, in PostgreSQL's own spelling. */
async function parsed(checks: readonly { table: string; name: string; expression: string }[]): Promise<unknown> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    const spelt: Record<string, string> = {};
    for (const { table, name, expression } of checks) {
      await client.query(
        `create temp table copy (like ${table}); alter table copy add constraint c check (${expression})`,
      );
      const { rows } = await client.query<{ definition: string }>(
        `select pg_get_constraintdef(oid) as definition from pg_constraint where conrelid = 'copy'::regclass and conname = 'c'`,
      );
      spelt[name] = rows[0]?.definition as string;
      await client.query('drop table copy');
    }
    return spelt;
  } finally {
    await client.end();
  }
}

describe('a separate login for the application', () => {
  it('is created by the migrations and inherits nothing; the application works with it', async () => {
    const login = newLogin();
    const url = loginUrl(login, `p'w\\ü ${login}`);
    await migrate(database.url, url);
    expect(await migrate(database.url, url)).toEqual([]);
    const [facts] = await database.query(
      'select rolinherit, rolsuper, rolbypassrls, rolcreaterole, rolcanlogin from pg_roles where rolname = $1',
      [login],
    );
    expect(facts).toEqual({
      rolinherit: false,
      rolsuper: false,
      rolbypassrls: false,
      rolcreaterole: false,
      rolcanlogin: true,
    });
    for (const table of ['users', 'messages', 'schema_migrations']) {
      await expect(run(url, `select 1 from ${table}`)).rejects.toMatchObject({ code: '42501' });
    }
    await expectAppWorks(database.url, url);
  });
});

/** Checks that an account can be created, signed in to, and used for a turn. */
async function expectAppWorks(ownerUrl: string | undefined, url: string): Promise<void> {
  const t = await createTestApp({ databaseOwnerUrl: ownerUrl, databaseUrl: url, migrateOnStart: true });
  try {
    const ada = await TestUser.register(t);
    await request(t.server).post('/auth/login').send({ email: ada.email, password: PASSWORD }).expect(200);
    const { id } = await ada.project();
    const turn = await ada.turn({ project_id: id, message: 'Hi' });
    expect(turn.assistant_message).toMatchObject({ status: 'completed', content: 'You said: Hi' });
    await request(t.server).get('/health/ready').expect(200);
  } finally {
    await t.close();
  }
}

describe('an owner that is not a superuser', () => {
  let server: EmbeddedPostgres;
  let owner: string;

  // Roles belong to the server, and their creator matters, so this needs a server without these roles.
  beforeAll(async () => {
    const dir = join(process.env.PARLEY_TEST_DIR as string, `owner-${randomBytes(4).toString('hex')}`);
    server = await startEmbeddedPostgres({ dir, ephemeral: true, log: () => undefined });
    await run(server.url, `create role deployer login createrole password 'secret'`);
    await run(server.url, 'create database deployed owner deployer');
    const url = new URL(server.url);
    [url.username, url.password, url.pathname] = ['deployer', 'secret', '/deployed'];
    owner = url.href;
  });
  afterAll(() => server.stop());

  it('migrates and runs the application, with or without a separate login', async () => {
    expect(await migrate(owner)).toEqual(ALL);
    await expectAppWorks(undefined, owner);
    const url = new URL(owner);
    [url.username, url.password] = ['parley_login', 'another secret'];
    await expectAppWorks(owner, url.href);
  });
});
