import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { fromPgError } from '../../src/platform/database/pg-errors.js';
// What it loads has named all constraints.
import '../../src/app.module.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const ROOT = fileURLToPath(new URL('../../src/platform/', import.meta.url));

/** The tables that belong to rooms of the platform; all others are the product's. */
const OWN_TABLES = [
  ...['audit_events', 'audit_heads', 'circuits', 'content_keys', 'data_keys', 'idempotency_keys', 'nightly_jobs'],
  ...['rate_limits', 'revocations', 'schema_migrations'],
];

/** Where a table of the product is named all the same, and why. */
const EXCEPTIONS: Record<string, string> = {
  'idempotency/idempotency.repository.ts':
    'keeps no response for an account that has just been deleted, in the same statement',
};

const CODES: Record<string, string> = {
  uq_users_email: 'email_taken',
  uq_turns_running: 'turn_in_progress',
  ck_turns_admitted: 'turn_in_progress',
  ck_turn_buckets_filled: 'rate_limited',
  ck_budgets_kept: 'quota_exceeded',
  ck_budgets_priced: 'price_unknown',
  pk_idempotency_keys: 'idempotency_key_in_use',
  fk_sign_ins_user_id: 'unauthenticated',
  fk_sign_in_addresses_user_id: 'unauthenticated',
  fk_projects_user_id: 'unauthenticated',
  fk_prompts_project_id: 'not_found',
  fk_chat_sessions_project_id: 'not_found',
  fk_budgets_project_id: 'not_found',
  fk_budgets_user_id: 'unauthenticated',
  fk_idempotency_keys_user_id: 'unauthenticated',
  fk_data_keys_user_id: 'unauthenticated',
  fk_second_factors_user_id: 'unauthenticated',
  fk_api_keys_project_id: 'not_found',
  fk_api_keys_user_id: 'unauthenticated',
};

let database: TestDatabase;
let tables: string[];
let constraints: string[];

beforeAll(async () => {
  database = await createTestDatabase();
  const names = async (sql: string): Promise<string[]> =>
    (await database.query<{ name: string }>(sql)).map(({ name }) => name);
  tables = await names(
    `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`,
  );
  constraints = await names(`
    select conname as name from pg_constraint where connamespace = 'public'::regnamespace
    union select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'i'
    union select (regexp_matches(prosrc, 'constraint = ''([a-z_]+)''', 'g'))[1] from pg_proc where pronamespace = 'public'::regnamespace`);
});
afterAll(() => database.drop());

/** The texts of a file: what it sends to a database is among them. Comments are not. */
function textsOf(source: string): string[] {
  const texts: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
      texts.push(node.text);
    // The target of a foreign key is a table, though it stands in no SQL.
    if (ts.isCallExpression(node) && node.expression.getText() === 'ForeignKey') {
      const [target] = node.arguments;
      if (target !== undefined && ts.isStringLiteralLike(target)) texts.push(`references ${target.text} (`);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('x.ts', source, ts.ScriptTarget.Latest, true));
  return texts;
}

/** Tables, constraints and roles of the product that a file names. */
function namesOfTheProduct(source: string): string[] {
  const others = tables.filter((table) => !OWN_TABLES.includes(table)).join('|');
  const inSql = new RegExp(
    `\\b(?:from|join|into|update|table|on|references)\\s+"?(${others})\\b(?!')|relname = '(${others})'|when '(${others})'`,
    'gi',
  );
  const isOwn = (name: string): boolean => OWN_TABLES.some((table) => name.includes(`_${table}`));
  const named = [...constraints.filter((name) => !isOwn(name)), PRODUCT_DATABASE.appRole, PRODUCT_DATABASE.systemRole];
  return textsOf(source).flatMap((text) => [
    ...[...text.matchAll(inSql)].map(([match]) => match),
    ...named.filter((name) => new RegExp(`\\b${name}\\b`).test(text)),
  ]);
}

describe('the platform', () => {
  it('names no table, no constraint and no role of the product', () => {
    const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
      .map((file) => file.replaceAll('\\', '/'))
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.spec.ts'));
    expect(files.length).toBeGreaterThan(50);
    const breaches = files
      .map((file) => [file, namesOfTheProduct(readFileSync(join(ROOT, file), 'utf8'))] as const)
      .filter(([, names]) => names.length > 0);
    expect(breaches.map(([file, names]) => (file in EXCEPTIONS ? file : `${file}: ${names.join(', ')}`))).toEqual(
      Object.keys(EXCEPTIONS),
    );
  });

  it.each([
    'const sql = `select * from users where id = $1`;',
    `@ForeignKey('projects', ['projectId'], ['id']) class Key {}`,
    `const codes = { a: 'uq_users_email' };`,
    'client.query(`set role parley_app`);',
    `const sql = "case c.relname when 'users' then 'id' end";`,
  ])('would be caught by %s', (source) => {
    expect(namesOfTheProduct(source)).not.toEqual([]);
  });
});

describe('a constraint that a client can violate', () => {
  it.each(Object.entries(CODES))('%s maps to %s, and is in the schema', (constraint, code) => {
    const cause = Object.assign(new Error('violated'), { code: '23505', constraint });
    expect(fromPgError(cause)).toMatchObject({ name: 'AppError', code, cause });
    expect(constraints).toContain(constraint);
  });
});
