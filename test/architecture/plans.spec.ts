import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

/**
 * How PostgreSQL runs the statements of test/architecture/snapshots once the tables are large. The statements are the
 * reviewed ones; the plans are the generic ones, which a named statement has from its sixth use on.
 */
const STATEMENTS = fileURLToPath(new URL('./snapshots/', import.meta.url));
const PLANS = fileURLToPath(new URL('./plans.txt', import.meta.url));
const UPDATE = process.env.UPDATE_SNAPSHOTS === '1';

/** Tables that grow with use; a statement that reads one of them as a whole is slow one day. */
const LARGE = [
  'turns',
  'turn_chunks',
  'api_keys',
  'provider_keys',

  'users',
  'projects',
  'prompts',
  'chat_sessions',
  'messages',
  'sign_ins',
  'idempotency_keys',
  'audit_events',
  'usage_entries',
  'budgets',
  'prices',
  'session_summaries',
];

/** Statements that look at all rows by what they are for, in batches and seldom. */
const WALKS = [
  'AuditRepository.walk',
  'AuditRepository.listEmptied',
  'SignInsRepository.sweep',
  'IdempotencyRepository.sweep',
];

/** Turns that run are few at any moment, so the keeper may look at all of them. */
const OF_RUNNING_TURNS = [
  'TurnClaims.renew',
  'TurnClaims.release',
  'TurnClaims.claimExpired',
  'TurnClaims.findStranded',
  'TurnClaims.save',
];

/** What is on the way of a turn or of the lists that apps show: these plans are written down. */
const HOT = ['TurnStore.', 'TurnClaims.', 'UsageRecorder.', 'SessionsRepository.list', 'MessagesRepository.list'];

interface Statement {
  readonly method: string;
  readonly isSystem: boolean;
  readonly text: string;
}

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly Plan[];
}

let database: TestDatabase;
let client: pg.Client;
let isGenericPlanKnown: boolean;

beforeAll(async () => {
  database = await createTestDatabase();
  await fill(database);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { rows } = await client.query<{ version: number }>(
    `select current_setting('server_version_num')::int as version`,
  );
  isGenericPlanKnown = (rows[0]?.version ?? 0) >= 160_000;
  if (!isGenericPlanKnown) process.stdout.write('plans: skipped, EXPLAIN (GENERIC_PLAN) needs PostgreSQL 16\n');
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** 900 sessions of 40 messages, each with a turn that runs, and users enough: the planner sees that reading it all is dear. */
async function fill({ query }: TestDatabase): Promise<void> {
  const id = (kind: string, n: string): string =>
    `('01900000-${kind}-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
  const user = (n: string): string => id('0001', n);
  await query(`
set session_replication_role = replica;
insert into users (id, email, password_hash) select ${user('n')}, 'u' || n || '@example.com', 'x' from generate_series(0, 9999) n;
insert into projects (user_id, id, name) select ${user('n % 300')}, ${id('0002', 'n')}, 'P' from generate_series(0, 899) n;
insert into prompts (user_id, id, project_id, content, content_tokens, position)
  select ${user('n % 300')}, ${id('0003', 'n')}, ${id('0002', 'n % 900')}, 'x', 1, n / 900 from generate_series(0, 2699) n;
insert into chat_sessions (user_id, id, project_id, title, last_seq, last_message_id)
  select ${user('n % 300')}, ${id('0004', 'n')}, ${id('0002', 'n')}, 'T', 40, ${id('0005', 'n * 40 + 39')}
  from generate_series(0, 899) n;
insert into messages (user_id, id, session_id, parent_id, seq, role, content, content_tokens, status, completed_at)
  select ${user('(n / 40) % 300')}, ${id('0005', 'n')}, ${id('0004', 'n / 40')},
    case when n % 40 = 0 then null else ${id('0005', 'n - 1')} end, n % 40 + 1,
    case when n % 2 = 0 then 'user' else 'assistant' end, repeat('word ', 20), 20, 'completed', now()
  from generate_series(0, 35999) n;
insert into session_summaries
  (user_id, message_id, session_id, content, content_tokens, message_count, claimed_until)
  select ${user('(n / 5) % 300')}, ${id('0005', '(n / 5) * 40 + n % 5 * 8 + 7')}, ${id('0004', 'n / 5')}, 'S', 1, n % 5 * 8 + 8, now()
  from generate_series(0, 4499) n;
insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
  select ${user('n % 300')}, ${id('0005', 'n * 40 + 39')}, ${id('0004', 'n')}, 40, true, ${id('0007', 'n')},
    ${id('0008', 'n % 3')}, now() + interval '30 seconds', '{}' from generate_series(0, 899) n;
insert into turn_chunks (user_id, message_id, attempt, start_offset, text)
  select ${user('n % 300')}, ${id('0005', '(n % 900) * 40 + 39')}, 1, n / 900, 'x' from generate_series(0, 8999) n;
insert into api_keys (user_id, id, name, prefix, key_hash, scopes)
  select ${user('n % 300')}, ${id('0009', 'n')}, 'K', 'x', sha256(n::text::bytea), '{chat}' from generate_series(0, 2999) n;
insert into provider_keys (user_id, project_id, id, provider, sealed_key)
  select ${user('n % 300')}, ${id('0002', 'n')}, ${id('000a', 'n')}, 'openai', 'x' from generate_series(0, 899) n;
insert into audit_events (user_id, seq, id, at, actor_kind, action, previous_hash, hash)
  select ${user('n % 300')}, n / 300 + 1, ${id('000b', 'n')}, now(), 'user', 'account.registered', 'x', 'x'
  from generate_series(0, 8999) n;
insert into usage_entries (user_id, message_id, kind, attempt, project_id, session_id, provider, model, is_own_key, status,
    is_estimated)
  select ${user('(n / 40) % 300')}, ${id('0005', 'n')}, 'answer', 1, ${id('0002', 'n / 40')}, ${id('0004', 'n / 40')}, 'openai', 'm',
    false, 'completed', false from generate_series(0, 35999) n;
insert into budgets (user_id, id, project_id, day, day_spent_micro_usd, month, month_spent_micro_usd)
  select ${user('n % 300')}, ${id('000c', 'n')}, ${id('0002', 'n')}, now(), 0, now(), 0 from generate_series(0, 899) n;
insert into prices (provider, model, valid_from, input_micro_usd, output_micro_usd, version)
  select 'openai', 'm' || n / 4, now() - make_interval(days => n % 4), 1, 1, 'v' from generate_series(0, 3999) n;
insert into sign_ins (user_id, id, seed, expires_at)
  select ${user('n % 300')}, ${id('0006', 'n')}, 'x', now() + interval '1 day' from generate_series(0, 8999) n;
insert into idempotency_keys (user_id, route, key, request_hash)
  select ${user('n % 300')}, 'POST /chat', 'k' || n, 'x' from generate_series(0, 59999) n;
analyze`);
}

function statements(): Statement[] {
  return readdirSync(STATEMENTS)
    .filter((file) => file !== 'short-turn.sql')
    .flatMap((file) => readFileSync(STATEMENTS + file, 'utf8').split(/^-- /m))
    .filter((section) => section.trim() !== '')
    .flatMap((section) => {
      const [method = '', ...lines] = section.split('\n');
      const texts = lines.join('\n').split(/;\n/);
      const isSystem = texts.some((text) => text.includes('role parley_system'));
      const isData = (text: string): boolean => /^\s*(select(?! set_config)|insert|update|delete|with)\b/i.test(text);
      return texts.filter(isData).map((text) => ({ method, isSystem, text }));
    });
}

async function scansOf({ isSystem, text }: Statement): Promise<string[]> {
  await client.query(`begin; set local role ${isSystem ? 'parley_system' : 'parley_app'}`);
  try {
    await client.query(`select set_config('app.user_id', '01900000-0001-7000-8000-000000000001', true)`);
    const { rows } = await client.query<{ 'QUERY PLAN': { Plan: Plan }[] }>(
      `explain (generic_plan, format json) ${text}`,
    );
    return rows[0]?.['QUERY PLAN'].flatMap(({ Plan: root }) => scans(root)) ?? [];
  } finally {
    await client.query('rollback');
  }
}

function scans(plan: Plan): string[] {
  const { 'Node Type': node, 'Relation Name': relation, 'Index Name': index, Plans: children = [] } = plan;
  const below = children.flatMap(scans);
  if (index !== undefined) return [`${node.replace(/^Bitmap Index Scan$/, 'Index Scan')} ${index}`, ...below];
  return relation !== undefined && node === 'Seq Scan' ? [`Seq Scan ${relation}`, ...below] : below;
}

it('no query scans a large table', async () => {
  if (!isGenericPlanKnown) return;
  const whole: string[] = [];
  for (const statement of statements().filter(({ method }) => !WALKS.includes(method))) {
    const mayRead = OF_RUNNING_TURNS.includes(statement.method) ? 'turns' : null;
    const found = (await scansOf(statement)).filter((scan) =>
      LARGE.some((table) => table !== mayRead && scan === `Seq Scan ${table}`),
    );
    if (found.length > 0) whole.push(`${statement.method}: ${found.join(', ')}\n${statement.text}`);
  }
  expect(whole).toEqual([]);
});

it('turns and lists use the reviewed query plans', async () => {
  if (!isGenericPlanKnown) return;
  let text = '';
  for (const statement of statements().filter(({ method }) => HOT.some((name) => method.startsWith(name)))) {
    // A plan may take the same way several times; which ways there are is what counts.
    const ways = [...new Set(await scansOf(statement))].sort();
    const [first = ''] = statement.text.trim().split('\n');
    text += `${statement.method}: ${first.slice(0, 80)}\n${ways.map((way) => `  ${way}\n`).join('')}`;
  }
  if (UPDATE) writeFileSync(PLANS, text);
  expect(text).toBe(readFileSync(PLANS, 'utf8'));
});

it("a page of a user's thousands of sessions comes from an index, without a sort", async () => {
  const list = statements().find(({ method }) => method === 'SessionsRepository.list')?.text as string;
  const [user, project] = ['01900000-0001-7000-8000-000000000001', '01900000-0002-7000-8000-000000000001'];
  await client.query('begin');
  try {
    await client.query(`
insert into chat_sessions (user_id, id, project_id, last_active_at)
  select '${user}', gen_random_uuid(), '${project}', now() - n * interval '1 minute' from generate_series(1, 2000) n;
insert into chat_sessions (user_id, id, project_id)
  select p.user_id, gen_random_uuid(), p.id from projects p, generate_series(1, 100);
analyze chat_sessions;
set local role parley_app;
set local app.user_id = '${user}'`);
    // The plan for these very values: it is decided by how many sessions PostgreSQL expects the user to have.
    const explained = await client.query<{ 'QUERY PLAN': string }>(`explain ${list}`, [user, project]);
    const plan = explained.rows.map((row) => row['QUERY PLAN']).join('\n');
    expect(plan).toContain('Index Scan Backward using ix_chat_sessions_activity');
    expect(plan).not.toContain('Sort');
  } finally {
    await client.query('rollback');
  }
});
