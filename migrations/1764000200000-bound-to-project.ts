import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * An API key may be bound to one project. Its transactions set `app.project_id` beside `app.user_id`, and these policies,
 * which are restrictive and so come on top of the tenant's, hide everything of other projects. Without the setting they
 * say yes before they look at anything.
 *
 * A message or a claim knows its project through its session. That session may have been made in the same statement, where
 * a check can not see it yet, so inserts are checked by a trigger at the end of the statement; it does not even fire
 * without the setting. It runs with the rights of who inserts: the session is there for it when the policies say so.
 */
export class BoundToProject1764000200000 implements MigrationInterface {
  name = 'BoundToProject1764000200000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(POLICIES.join(';\n'));
    await runner.query(FUNCTION);
    for (const table of IN_SESSION) {
      await runner.query(`create trigger project after insert on ${table}
        for each row when (current_setting('app.project_id', true) <> '') execute function require_session_in_project()`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of IN_SESSION) await runner.query(`drop trigger project on ${table}`);
    await runner.query('drop function require_session_in_project()');
    for (const table of Object.keys(IN_PROJECT)) await runner.query(`drop policy project on ${table}`);
    for (const table of IN_SESSION) {
      for (const verb of VERBS) await runner.query(`drop policy project_${verb} on ${table}`);
    }
  }
}

// The sub-select makes PostgreSQL read the setting once a statement instead of once a row.
const PROJECT = `(select nullif(current_setting('app.project_id', true), '')::uuid)`;

const IN_PROJECT: Record<string, string> = {
  projects: `id = ${PROJECT}`,
  prompts: `project_id = ${PROJECT}`,
  chat_sessions: `project_id = ${PROJECT}`,
  turn_chunks: `exists (select 1 from turns t where t.user_id = turn_chunks.user_id and t.message_id = turn_chunks.message_id)`,
};

const IN_SESSION = ['messages', 'turns'];
const VERBS = ['select', 'update', 'delete'];

const POLICIES = [
  ...Object.entries(IN_PROJECT).map(
    ([table, isInside]) =>
      `create policy project on ${table} as restrictive to parley_app using (${PROJECT} is null or ${isInside})`,
  ),
  ...IN_SESSION.flatMap((table) =>
    VERBS.map(
      (verb) => `
create policy project_${verb} on ${table} as restrictive for ${verb} to parley_app
using (${PROJECT} is null or exists (
  select 1 from chat_sessions s where s.user_id = ${table}.user_id and s.id = ${table}.session_id))`,
    ),
  ),
];

const FUNCTION = `
create function require_session_in_project() returns trigger language plpgsql as $$
begin
  if not exists (select 1 from chat_sessions s where s.user_id = new.user_id and s.id = new.session_id) then
    raise insufficient_privilege using message = 'new row violates row-level security: its session is outside the project';
  end if;
  return null;
end $$`;
