import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { schemaFile } from '../../src/cli/schema.command.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

const FILE = fileURLToPath(new URL('../../docs/schema.sql', import.meta.url));

let database: TestDatabase;

beforeEach(async () => {
  database = await createTestDatabase();
});
afterEach(() => database.drop());

describe('docs/schema.sql', () => {
  it('matches the migrations; `npm run schema` updates it', async () => {
    expect(await schemaFile(database.url)).toBe(readFileSync(FILE, 'utf8'));
  });

  it.each([
    ['a column', 'alter table plans add note text'],
    ['a default', `alter table users alter display_name set default 'x'`],
    ['a check', 'alter table plans add constraint ck_plans_x check (name <> $$x$$)'],
    ['an index', 'create index ix_plans_x on plans (tokens_per_minute)'],
    ['a policy', 'create policy x on plans for select to parley_app using (false)'],
    ['the words of a policy', 'alter policy tenant on projects using (true)'],
    ['row-level security', 'alter table projects no force row level security'],
    ['a grant', 'grant delete on plans to parley_system'],
    ['a grant of a column', 'grant update (name) on plans to parley_system'],
    ['a trigger', 'create trigger x before update on plans for each row execute function refuse_change()'],
    ['a function', 'create function f() returns int language sql as $$ select 1 $$'],
    ['a right to call', 'revoke execute on function refuse_change() from public'],
    ['a comment', `comment on table plans is 'what an account may use'`],
    ['a table', 'create table x (id int)'],
  ])('shows a change of %s', async (_what, change) => {
    const before = await schemaFile(database.url);
    await database.query(change);
    expect(await schemaFile(database.url)).not.toBe(before);
  });
});
