import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { newId } from '../../src/kernel/ids.js';
import { dump, type ForeignKey, readTables, type Table } from '../support/catalogue.js';
import { createTestDatabase } from '../support/test-database.js';

type Row = Record<string, unknown>;

/** Tables without a tenant, with the privileges of the application. */
const SHARED: Record<string, string[]> = {
  circuits: [],
  erasure_receipts: ['SELECT', 'INSERT'],
  nightly_jobs: [],
  plans: ['SELECT', 'INSERT', 'UPDATE'],
  prices: ['SELECT'],
  rate_limits: [],
  schema_migrations: ['SELECT'],
};

/** Tables of users whose rows the application can read and add, but not change or delete. */
const ADDED_TO_ONLY = ['audit_events', 'audit_heads', 'usage_entries'];

/** Everything that the system role can access across tenants, by column. Explain an addition in its migration. */
const SYSTEM_MAY: Record<string, Partial<Record<'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE', string[] | 'all'>>> = {
  users: { SELECT: ['created_at', 'disabled_at', 'email', 'email_verified_at', 'id', 'password_hash', 'role'] },
  messages: {
    SELECT: ['cost_micro_usd', 'id', 'input_tokens', 'output_tokens', 'role', 'status', 'user_id'],
    UPDATE: ['status'],
  },
  turns: { SELECT: 'all', UPDATE: ['attempt', 'claim_id', 'crashes', 'is_running', 'lease_until', 'owner'] },
  turn_chunks: { INSERT: 'all' },
  revocations: { SELECT: 'all', DELETE: 'all' },
  audit_events: { SELECT: 'all' },
  audit_heads: { SELECT: 'all' },
  data_keys: { SELECT: ['master_version', 'user_id'] },
  plans: { SELECT: 'all' },
  turn_buckets: { SELECT: ['full_at', 'subject_id', 'unit', 'user_id'], UPDATE: ['full_at'], DELETE: 'all' },
  circuits: { SELECT: 'all', INSERT: 'all', UPDATE: 'all', DELETE: 'all' },
  content_keys: { SELECT: ['master_version', 'project_id', 'user_id'] },
  prices: { SELECT: 'all', INSERT: 'all', UPDATE: 'all' },
  usage_entries: {
    SELECT: [
      'asked_model',
      'attempt',
      'cached_input_tokens',
      'cost_micro_usd',
      'created_at',
      'generation_id',
      'input_tokens',
      'is_estimated',
      'is_own_key',
      'kind',
      'message_id',
      'model',
      'output_tokens',
      'project_id',
      'provider',
      'revision',
      'session_id',
      'status',
      'user_id',
    ],
  },
  rate_limits: { SELECT: 'all', INSERT: 'all', UPDATE: 'all', DELETE: 'all' },
  sign_ins: { SELECT: ['expires_at', 'id', 'revoked_at', 'user_id'], DELETE: 'all' },
  api_keys: {
    SELECT: ['expires_at', 'id', 'key_hash', 'last_used_at', 'project_id', 'scopes', 'user_id'],
    UPDATE: ['last_used_at'],
  },
  idempotency_keys: { SELECT: ['created_at', 'key', 'route', 'user_id'], DELETE: 'all' },
  projects: { SELECT: ['id', 'retention_days', 'user_id'] },
  chat_sessions: { SELECT: ['last_active_at', 'project_id', 'user_id'] },
  retention_runs: { SELECT: ['project_id', 'user_id'] },
  nightly_jobs: { SELECT: 'all', UPDATE: 'all' },
};

/** Values that a CHECK requires; other values are generated from the type of the column. */
const VALUES: Record<string, (userId: string) => Row> = {
  users: () => ({ email: `${randomUUID()}@example.com` }),
  projects: (userId) => ({ id: projectOf[userId], retention_days: 1 }),
  // The row outlives its project, so it has no foreign key to it.
  usage_entries: (userId) => ({ kind: 'answer', status: 'completed', project_id: projectOf[userId] }),
  budgets: () => ({ day: '2026-01-01', month: '2026-01-01' }),
  provider_keys: () => ({ provider: 'openai' }),
  messages: () => ({ role: 'assistant', status: 'pending' }),
  audit_events: () => ({ actor_kind: 'user', action: 'account.registered' }),
  turns: () => ({ is_running: true }),
  turn_buckets: () => ({ unit: 'requests' }),
  api_keys: () => ({ key_hash: Buffer.from(randomUUID()) }),
};

// Jest collects all tests before it runs any, so the tables must be read first.
const database = await createTestDatabase();
const tables = await readTables(database);
const tenantTables = tables.filter(({ owner }) => owner !== null);
const foreignKeys = tables.flatMap(({ name, foreignKeys }) => foreignKeys.map((key) => ({ ...key, table: name })));

const [victim, stranger] = [newId(), newId()];
const projectOf: Record<string, string> = { [victim]: newId(), [stranger]: newId() };
/** One row of each user in every table. */
const rows: Record<string, Record<string, Row>> = { [victim]: {}, [stranger]: {} };

afterAll(() => database.drop());

async function plant(table: Table, userId: string): Promise<void> {
  const row: Row = { ...VALUES[table.name]?.(userId), [table.owner as string]: userId };
  for (const { target, columns, targetColumns } of table.foreignKeys) {
    const parent = rows[userId]?.[target];
    if (parent !== undefined) columns.forEach((column, i) => (row[column] ??= parent[targetColumns[i] as string]));
  }
  for (const { name, type, isRequired } of table.columns) if (isRequired) row[name] ??= anyValue(type);
  const names = Object.keys(row);
  const [stored] = await database.query<Row>(
    `insert into ${table.name} (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')}) returning *`,
    Object.values(row),
  );
  (rows[userId] as Record<string, Row>)[table.name] = stored as Row;
}

function anyValue(type: string): unknown {
  if (type.endsWith('[]')) return '{}';
  if (type === 'uuid') return newId();
  if (type === 'integer' || type === 'bigint') return 1;
  if (type === 'boolean') return true;
  if (type.startsWith('timestamp')) return new Date();
  if (type === 'jsonb') return '{}';
  if (type === 'bytea') return Buffer.from('x');
  return 'x';
}

/** DDL that opens a policy, only within the transaction of each attempt. */
let mutation = '';

/** Runs SQL as a role (null: the owner), for a tenant or for none, in a transaction that is rolled back. */
async function as(
  role: 'parley_app' | 'parley_system' | null,
  { tenant = null, project = null }: { tenant?: string | null; project?: string | null },
  ...[sql, values = [], ...more]: (string | unknown[])[]
): Promise<pg.QueryResult<Row>> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  try {
    await client.query(`begin; ${mutation}; set local role ${role ?? 'none'}`);
    await client.query(`select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true)`, [
      tenant ?? '',
      project ?? '',
    ]);
    const result = await client.query<Row>(sql as string, values as unknown[]);
    if (more.length > 0) await client.query(more[0] as string, more[1] as unknown[]);
    return result;
  } finally {
    await client.end();
  }
}

const app = async (tenant: string | null, sql: string, values: unknown[] = []): Promise<Row[]> =>
  (await as('parley_app', { tenant }, sql, values)).rows;

const insertOf = (name: string): string => `insert into ${name} select * from jsonb_populate_record(null::${name}, $1)`;

const storedRow = async ({ name, owner }: Table, userId: string): Promise<Row> =>
  (await database.query<{ row: Row }>(`select to_jsonb(t) as row from ${name} t where ${owner} = $1`, [userId]))[0]
    ?.row as Row;

beforeAll(async () => {
  for (const userId of [victim, stranger]) for (const table of tenantTables) await plant(table, userId);
});

const TENANTS = [
  ['a foreign tenant', stranger],
  ['no tenant', null],
] as const;

/**
 * The mutations: each policy opened, each policy granted to the other role too, and each table without row-level
 * security.
 */
const mutations = (
  await database.query<{ name: string; table: string; roles: string[]; using: boolean; check: boolean }>(
    `select policyname as name, tablename as table, roles::text[] as roles, qual is not null as using,
       with_check is not null as check from pg_policies order by 2, 1`,
  )
).flatMap(({ name, table, roles, using, check }) => {
  const change = (what: string): { table: string; sql: string } => ({
    table,
    sql: `alter policy ${name} on ${table} ${what}`,
  });
  if (!roles.includes('parley_app')) return [change('to parley_system, parley_app')];
  return [...(using ? [change('using (true)')] : []), ...(check ? [change('with check (true)')] : [])];
});
mutations.push(
  ...tenantTables.map(({ name }) => ({ table: name, sql: `alter table ${name} disable row level security` })),
);

async function expectUnreachable({ name, owner }: Table, tenant: string | null): Promise<void> {
  const mine = tenant === null ? [] : [{ owner: tenant }];
  expect(await app(tenant, `select ${owner} as owner from ${name}`)).toEqual(mine);
  expect(await app(tenant, `select 1 from ${name} where ${owner} = $1`, [victim])).toEqual([]);
  if (ADDED_TO_ONLY.includes(name)) {
    for (const sql of [`update ${name} set ${owner} = ${owner}`, `delete from ${name}`])
      await expect(app(tenant, sql)).rejects.toMatchObject({ code: '42501' });
    return;
  }
  expect(await app(tenant, `update ${name} set ${owner} = ${owner} returning ${owner} as owner`)).toEqual(mine);
  expect(await app(tenant, `delete from ${name} where ${owner} = $1 returning 1`, [victim])).toEqual([]);
  expect(await app(tenant, `delete from ${name} returning ${owner} as owner`)).toEqual(mine);
  // This reads no columns, so the policies for SELECT do not apply.
  expect((await as('parley_app', { tenant }, `delete from ${name}`)).rowCount).toBe(mine.length);
}

/** The tables of which an API key that is bound to a project sees only the project's rows. */
const IN_A_PROJECT = [
  ...['projects', 'prompts', 'provider_keys', 'content_keys', 'retention_runs', 'budgets', 'usage_entries'],
  ...['chat_sessions', 'messages', 'turns', 'turn_chunks', 'session_summaries'],
];

const boundTo = (project: string, sql: string, values: unknown[] = []): Promise<pg.QueryResult<Row>> =>
  as('parley_app', { tenant: victim, project }, sql, values);

async function expectNothingInAnotherProject({ name, owner }: Table): Promise<void> {
  const other = newId();
  expect((await boundTo(other, `select 1 from ${name}`)).rows).toEqual([]);
  if (ADDED_TO_ONLY.includes(name)) return;
  // This reads no columns, as above.
  expect((await boundTo(other, `update ${name} set ${owner} = $1`, [victim])).rowCount).toBe(0);
  expect((await boundTo(other, `delete from ${name}`)).rowCount).toBe(0);
}

async function expectNotMade(table: Table, tenant: string | null): Promise<void> {
  await expect(app(tenant, insertOf(table.name), [await storedRow(table, victim)])).rejects.toMatchObject({
    code: '42501',
    message: expect.stringContaining('row-level security') as string,
  });
}

async function expectNotGiven({ name, owner }: Table): Promise<void> {
  await expect(app(stranger, `update ${name} set ${owner} = $1`, [victim])).rejects.toMatchObject({ code: '42501' });
}

describe.each(tenantTables)('rows of $name', (table) => {
  const { name, owner } = table;

  it('are seen by their user', async () => {
    expect(await app(victim, `select ${owner} as owner from ${name}`)).toEqual([{ owner: victim }]);
  });

  it.each(TENANTS)('cannot be read, changed or deleted by %s', async (_, tenant) => {
    await expectUnreachable(table, tenant);
  });

  it.each(TENANTS)('cannot be inserted for a user by %s', async (_, tenant) => {
    await expectNotMade(table, tenant);
  });

  it('cannot be moved to another user', async () => {
    await expectNotGiven(table);
  });

  it.each(mutations.filter((one) => one.table === name))(
    'are no longer safe, and these tests detect it, with: $sql',
    async ({ sql }) => {
      mutation = sql;
      try {
        await as(null, {}, 'select 1'); // the change itself succeeds
        const checks = TENANTS.flatMap(([, tenant]) => [
          expectUnreachable(table, tenant),
          expectNotMade(table, tenant),
        ]);
        if (IN_A_PROJECT.includes(name)) checks.push(expectNothingInAnotherProject(table));
        const outcomes = await Promise.allSettled([...checks, expectNotGiven(table)]);
        expect(outcomes.some(({ status }) => status === 'rejected')).toBe(true);
      } finally {
        mutation = '';
      }
    },
  );

  it('are guarded by policies that are forced and name only our roles', async () => {
    const [flags] = await database.query<Row>(
      'select relrowsecurity as enabled, relforcerowsecurity as forced from pg_class where oid = $1::regclass',
      [name],
    );
    expect(flags).toEqual({ enabled: true, forced: true });
    const policies = await database.query<{ roles: string[]; permissive: string; qual: string; cmd: string }>(
      'select roles::text[] as roles, permissive, cmd, qual from pg_policies where tablename = $1',
      [name],
    );
    // Restrictive policies are additional and only narrow access.
    const ours = policies.filter(
      ({ roles, permissive }) => roles.includes('parley_app') && permissive === 'PERMISSIVE',
    );
    expect(ours).toHaveLength(1);
    expect(ours[0]).toMatchObject({ roles: ['parley_app'], cmd: 'ALL' });
    expect(ours[0]?.qual).toContain('app.user_id');
    for (const { roles } of policies) expect([['parley_app'], ['parley_system']]).toContainEqual(roles);
  });

  it('begin their primary key with the tenant', () => {
    expect(table.primaryKey[0]).toBe(owner);
  });
});

/** Tables outside of projects. No route that is open to an API key uses them. */
const OF_THE_ACCOUNT = [
  'users',
  'sign_ins',
  'api_keys',
  'revocations',
  'idempotency_keys',
  'data_keys',
  'audit_events',
  'audit_heads',
  'sign_in_addresses',
  'second_factors',
  'turn_buckets',
  // Each turn reads the reservations of all projects; they contain only ids and amounts.
  'budget_reservations',
];

describe('a project that a transaction is bound to', () => {
  const own = (): string => rows[victim]?.projects?.id as string;
  const bound = tenantTables.filter(({ name }) => IN_A_PROJECT.includes(name));

  it('is required by the policies of every table below projects', () => {
    const known = [...IN_A_PROJECT, ...OF_THE_ACCOUNT];
    expect(tenantTables.map(({ name }) => name).filter((name) => !known.includes(name))).toEqual([]);
    expect(bound.map(({ name }) => name).sort()).toEqual([...IN_A_PROJECT].sort());
  });

  it.each(bound)('shows its own rows of $name', async ({ name, owner }) => {
    expect((await boundTo(own(), `select ${owner} as owner from ${name}`)).rows).toEqual([{ owner: victim }]);
    if (ADDED_TO_ONLY.includes(name)) return;
    expect((await boundTo(own(), `update ${name} set ${owner} = $1`, [victim])).rowCount).toBe(1);
    expect((await boundTo(own(), `delete from ${name}`)).rowCount).toBe(1);
  });

  it.each(bound)('shows, changes and deletes no row of $name in another project', async (table) => {
    await expectNothingInAnotherProject(table);
  });

  it.each(bound)('takes no new row of $name in another project', async (table) => {
    const row = await storedRow(table, victim);
    // The owner of the tables deletes the row first, in the same transaction, so only the policy can refuse the insert.
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('begin; set local session_replication_role = replica');
      await client.query(`delete from ${table.name} where ${table.owner} = $1`, [victim]);
      await client.query('set local session_replication_role = origin; set local role parley_app');
      await client.query(`select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true)`, [
        victim,
        newId(),
      ]);
      await expect(client.query(insertOf(table.name), [row])).rejects.toMatchObject({
        code: '42501',
        message: expect.stringContaining('row-level security') as string,
      });
    } finally {
      await client.end();
    }
  });
});

/** Foreign keys between rows of the same user; plans have no user. */
const withinTenants = foreignKeys.filter(({ target }) => !(target in SHARED));

describe.each(withinTenants)('$name', (key) => {
  const [child, parent] = [key.table, key.target].map((table) => tables.find(({ name }) => name === table)) as [
    Table,
    Table,
  ];

  it('carries the tenant', () => {
    const i = key.columns.indexOf('user_id');
    expect(key.targetColumns[i]).toBe(parent.owner);
  });

  if (key.columns.length > 1) {
    it("refuses a parent of another user, even to the tables' owner", async () => {
      const theirs = rows[victim]?.[key.target] as Row;
      const foreign = Object.fromEntries(
        key.columns.map((column, i) => [column, theirs[key.targetColumns[i] as string]]),
      );
      const row = { ...(await storedRow(child, stranger)), ...foreign, user_id: stranger };
      await expect(
        as(
          null,
          { tenant: stranger },
          `delete from ${key.table} where user_id = '${stranger}'`,
          [],
          insertOf(key.table),
          [row],
        ),
      ).rejects.toMatchObject({ code: '23503', constraint: key.name });
    });
  }

  it('deletes the row with its parent, by an index', async () => {
    const [{ action } = {}] = await database.query<{ action: string }>(
      'select confdeltype as action from pg_constraint where conname = $1',
      [key.name],
    );
    expect(action).toBe('c');
    expect(await leadingColumns(key)).toContainEqual([...key.columns].sort());
  });
});

/** The first columns of each whole index of a table, as many as the foreign key has, sorted. */
async function leadingColumns({ table, columns }: ForeignKey & { table: string }): Promise<string[][]> {
  const indexes = await database.query<{ columns: string[] }>(
    `select array_agg(a.attname::text order by a.attname) as columns
     from pg_index i, unnest(i.indkey[0:$2::int - 1]) k(attnum), pg_attribute a
     where i.indrelid = $1::regclass and i.indpred is null and a.attrelid = i.indrelid and a.attnum = k.attnum
     group by i.indexrelid`,
    [table, columns.length],
  );
  return indexes.map((index) => index.columns);
}

/** Ids without a foreign key, with the reason. */
const POINTS_NOWHERE = [
  'turns.claim_id', // random for each claim
  'nightly_jobs.run_id', // random for each run
  'turn_buckets.subject_id', // a user, a project or an API key; opening a turn must not wait for the deletion of one
  'chat_sessions.last_message_id', // messages refer to their session, so this would be a circular reference
  'audit_events.user_id', // the audit log outlives the account
  'audit_events.actor_id', // the acting user may be deleted
  'audit_events.subject_id', // the subject may be deleted
  'audit_heads.user_id',
  'budget_reservations.project_id', // deleted with its turn, which belongs to that project
  'usage_entries.message_id', // the ledger outlives its messages and projects
  'usage_entries.project_id',
  'usage_entries.session_id',
  'idempotency_keys.message_id', // a key outlives its turn; a repeated request then finds nothing
  'revocations.user_id', // the revocation of a deleted account outlives the account
  'revocations.subject_id', // a user, a sign-in or an API key
];

describe('the schema', () => {
  it('has a foreign key on every id', () => {
    const covered = new Set(foreignKeys.flatMap(({ table, columns }) => columns.map((column) => `${table}.${column}`)));
    const ids = tables.flatMap(({ name, columns }) =>
      columns.filter((column) => /_id$/.test(column.name) && column.type === 'uuid').map((id) => `${name}.${id.name}`),
    );
    expect(ids.filter((id) => !covered.has(id)).sort()).toEqual([...POINTS_NOWHERE].sort());
  });

  it('has no table without a tenant except the listed shared ones', async () => {
    expect(tables.filter(({ owner }) => owner === null).map(({ name }) => name)).toEqual(Object.keys(SHARED));
    for (const [name, may] of Object.entries(SHARED)) expect(await privileges('parley_app', name)).toEqual(may);
  });

  it('has nothing that acts with the rights of its owner', async () => {
    const functions = `select proname from pg_proc where pronamespace = 'public'::regnamespace and prosecdef`;
    const views = `select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('v', 'm')`;
    expect([...(await database.query(functions)), ...(await database.query(views))]).toEqual([]);
  });

  it('names constraints and indexes by their kind and table', async () => {
    const prefixes: Record<string, string> = { p: 'pk', u: 'uq', f: 'fk', c: 'ck' };
    const named = await database.query<{ name: string; kind: string; table: string }>(`
      select conname as name, contype::text as kind, conrelid::regclass::text as table from pg_constraint
      where connamespace = 'public'::regnamespace and contype <> 'n'
      union all
      select indexrelid::regclass::text, case when indisunique then 'u' else 'i' end, indrelid::regclass::text from pg_index
      where indrelid in (select oid from pg_class where relnamespace = 'public'::regnamespace)
        and not exists (select 1 from pg_constraint where conindid = indexrelid)`);
    const wrong = named
      .filter(({ table }) => !(table in SHARED))
      .filter(({ name, kind, table }) => {
        const start = `${prefixes[kind] ?? 'ix'}_${table}`;
        return kind === 'p' ? name !== start : !name.startsWith(`${start}_`);
      });
    expect(wrong).toEqual([]);
  });
});

async function privileges(role: string, table: string): Promise<string[]> {
  const rows = await database.query<{ privilege: string }>(
    `select privilege from unnest(array['SELECT','INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER']) privilege
     where has_table_privilege($1, $2, privilege)`,
    [role, table],
  );
  return rows.map(({ privilege }) => privilege);
}

describe('the roles', () => {
  it.each(['parley_app', 'parley_system'])('%s has no special privileges', async (role) => {
    const [facts] = await database.query(
      `select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication, rolcanlogin, rolinherit from pg_roles
       where rolname = $1`,
      [role],
    );
    expect(new Set(Object.values(facts as Row))).toEqual(new Set([false]));
    const owned = await database.query(
      `select 'relation' as kind, relname::text as name from pg_class where relowner = $1::regrole
       union all select 'schema', nspname from pg_namespace where nspowner = $1::regrole
       union all select 'function', proname from pg_proc where proowner = $1::regrole
       union all select 'database', datname from pg_database where datdba = $1::regrole`,
      [role],
    );
    expect(owned).toEqual([]);
    const memberOf = await database.query(
      'select roleid::regrole::text as role from pg_auth_members where member = $1::regrole',
      [role],
    );
    expect(memberOf).toEqual([]);
  });

  it('the application reads and writes rows, and cannot bypass the policies', async () => {
    for (const { name } of tenantTables) {
      // TRUNCATE ignores policies; REFERENCES and TRIGGER see rows of other users.
      expect({ name, may: await privileges('parley_app', name) }).toEqual({
        name,
        may: ['SELECT', 'INSERT', ...(ADDED_TO_ONLY.includes(name) ? [] : ['UPDATE', 'DELETE'])],
      });
    }
    const [{ can } = {}] = await database.query<{ can: boolean }>(
      `select has_schema_privilege('parley_app', 'public', 'create') or has_schema_privilege('parley_system', 'public', 'create') as can`,
    );
    expect(can).toBe(false);
  });

  it('PUBLIC has no privileges', async () => {
    const grants = await database.query(
      `select table_name, privilege_type from information_schema.table_privileges where table_schema = 'public' and grantee = 'PUBLIC'`,
    );
    expect(grants).toEqual([]);
  });

  it('the system role can access only the columns that it needs', async () => {
    const granted = await database.query<{ table: string; privilege: string; columns: string[] }>(
      `select c.relname as table, privilege, array_agg(a.attname::text order by a.attname) as columns
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
         unnest(array['SELECT','INSERT','UPDATE']) privilege
       where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and has_column_privilege('parley_system', c.oid, a.attnum, privilege)
       group by 1, 2 order by 1, 2`,
    );
    const expected = Object.entries(SYSTEM_MAY).flatMap(([table, verbs]) =>
      Object.entries(verbs)
        .filter(([privilege]) => privilege !== 'DELETE')
        .map(([privilege, columns]) => ({
          table,
          privilege,
          columns: columns === 'all' ? columnsOf(table) : columns,
        })),
    );
    expect(granted).toEqual(expect.arrayContaining(expected));
    expect(granted).toHaveLength(expected.length);
    for (const { name } of tables) {
      const may = await privileges('parley_system', name);
      const rest = may.filter((privilege) => !['SELECT', 'INSERT', 'UPDATE'].includes(privilege));
      expect({ name, rest }).toEqual({ name, rest: SYSTEM_MAY[name]?.DELETE === undefined ? [] : ['DELETE'] });
    }
  });

  it('the system role cannot read a conversation', async () => {
    for (const sql of [
      'select content from messages',
      'select text from turn_chunks',
      'select content from prompts',
      'select content from session_summaries',
      'select title from chat_sessions',
      'select display_name from users',
      'select seed from sign_ins',
      'select response from idempotency_keys',
      'select wrapped_key from data_keys',
      'select wrapped_key from content_keys',
      'select sealed from messages',
      'select sealed_key from provider_keys',
      'select raw_usage from usage_entries',
    ]) {
      await expect(as('parley_system', {}, sql)).rejects.toMatchObject({ code: '42501' });
    }
  });
});

function columnsOf(table: string): string[] {
  return (tables.find(({ name }) => name === table) as Table).columns.map(({ name }) => name).sort();
}

it('none of these attempts changes a row', async () => {
  const now = await dump(database, tenantTables);
  for (const { name } of tenantTables) expect({ name, rows: now[name]?.length }).toEqual({ name, rows: 2 });
});
