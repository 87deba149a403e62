import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Projects whose conversations are stored encrypted.
 *
 * `content_keys` has one key a project, itself encrypted by a master key as those of users are, and it goes with its project.
 * What holds words of a conversation gets a column `sealed…` beside the plain one, which is then empty: a row has the one or
 * the other. `refuse_content` is how OPEN ends its transaction before anything is written when the sender was wrong about
 * whether a project is encrypted; the detail of the error names the project.
 *
 * `parley_system` learns whose key an older master key wraps, and can not read one. The checks are made for new rows here and
 * for those there are in a migration of its own, which locks nobody out.
 */
export class ContentEncryption1764810000000 implements MigrationInterface {
  name = 'ContentEncryption1764810000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [KEYS, COLUMNS, REFUSE]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
drop function refuse_content(uuid);
alter table turn_chunks drop column sealed;
alter table messages drop column sealed_comment, drop column sealed;
alter table projects drop column is_content_encrypted;
drop table content_keys`);
  }
}

const KEYS = `
create table content_keys (
  user_id uuid not null,
  project_id uuid not null,
  wrapped_key bytea not null,
  master_version integer not null,
  created_at timestamptz not null default now(),
  constraint pk_content_keys primary key (user_id, project_id),
  constraint fk_content_keys_project_id foreign key (user_id, project_id)
    references projects (user_id, id) on delete cascade
);
alter table content_keys enable row level security, force row level security;
create policy tenant on content_keys to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy project on content_keys as restrictive to parley_app
  using (
    (select nullif(current_setting('app.project_id', true), '')::uuid) is null
    or project_id = (select nullif(current_setting('app.project_id', true), '')::uuid));
create policy rotate_find on content_keys for select to parley_system using (true);
grant select, insert, update, delete on content_keys to parley_app;
grant select (user_id, project_id, master_version) on content_keys to parley_system`;

const COLUMNS = `
alter table projects add column is_content_encrypted boolean not null default false;
alter table messages
  add column sealed bytea,
  add column sealed_comment bytea,
  add constraint ck_messages_sealed check (sealed is null or (content = '' and parts is null)) not valid,
  add constraint ck_messages_sealed_comment
    check (sealed_comment is null or (feedback_comment is null and feedback_rating is not null)) not valid;
alter table turn_chunks
  add column sealed bytea,
  add constraint ck_turn_chunks_sealed check (sealed is null or text = '') not valid`;

const REFUSE = `
create function refuse_content(project uuid) returns boolean language plpgsql stable as $$
begin
  raise exception using errcode = 'PC001', message = 'content was not sealed for its project', detail = project::text;
end $$`;
