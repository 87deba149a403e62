import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { ENTITIES } from '../../src/entities.js';
import { MIGRATIONS, ownerDataSource } from '../../src/platform/database/data-source.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { TestUser } from '../support/as-user.js';
import { readTables } from '../support/catalogue.js';
import { createTestApp } from '../support/test-app.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ALL = MIGRATIONS.map(({ name }) => name);

let database: TestDatabase;
/** Logins of a test are the server's, not the database's: they are removed by hand. */
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

/** Everything the migrations make, as PostgreSQL describes it. */
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

async function undo(): Promise<void> {
  const dataSource = await ownerDataSource(database.url).initialize();
  try {
    for (const _ of ALL) await dataSource.undoLastMigration();
  } finally {
    await dataSource.destroy();
  }
}

describe('the migrations', () => {
  it('go up, down and up again to the same schema', async () => {
    expect(await migrate(database.url)).toEqual(ALL);
    const first = await schema();
    await undo();
    expect((await readTables(database)).map(({ name }) => name)).toEqual(['schema_migrations']);
    expect(await migrate(database.url)).toEqual(ALL);
    expect(await schema()).toEqual(first);
  });

  it('make what the entities say: columns, keys, foreign keys, checks and indexes', async () => {
    await migrate(database.url);
    const dataSource = await ownerDataSource(database.url, ENTITIES).initialize();
    try {
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
      expect(upQueries.map(({ query }) => query)).toEqual([]);
      // TypeORM compares checks by name; the words have to be the same as well.
      const says = Object.fromEntries(
        dataSource.entityMetadatas.flatMap(({ checks }) => checks.map(({ name, expression }) => [name, expression])),
      );
      expect(await parsed(says)).toEqual(await definitions(Object.keys(says)));
    } finally {
      await dataSource.destroy();
    }
  });

  it('run once: a second time there is nothing to do', async () => {
    await migrate(database.url);
    expect(await migrate(database.url)).toEqual([]);
  });

  it('run once when several instances start together, and all of them go on', async () => {
    const ran = await Promise.all([1, 2, 3].map(() => migrate(database.url)));
    expect(ran.filter((names) => names.length > 0)).toEqual([ALL]);
  });

  it('wait for an instance that is migrating', async () => {
    const first = ownerDataSource(database.url);
    await first.initialize();
    const holder = first.createQueryRunner();
    const [{ lock }] = await lockOf(async () => migrate(database.url).then(() => undefined));
    await holder.query('select pg_advisory_lock($1)', [lock]);
    let isDone = false;
    const second = migrate(database.url).then((ran) => {
      isDone = true;
      return ran;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(isDone).toBe(false);
    await holder.query('select pg_advisory_unlock($1)', [lock]);
    expect(await second).toEqual([]);
    await holder.release();
    await first.destroy();
  });
});
