import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * API keys: what a program sends instead of an access token. Of the key itself only the SHA-256 is kept, which is enough:
 * a key is 256 random bits, so there is nothing to guess slowly. Who sends a key is not known yet, so `parley_system` finds
 * its row by the hash; it also writes when keys were last used, for all users in one statement.
 *
 * Sign-ins that have ended are removed some days later; the index is for that sweep.
 */
export class ApiKeys1764000100000 implements MigrationInterface {
  name = 'ApiKeys1764000100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table api_keys (
  user_id uuid not null,
  id uuid not null,
  name text not null,
  prefix text not null,
  key_hash bytea not null,
  scopes text[] not null,
  project_id uuid,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  expires_at timestamptz,
  constraint pk_api_keys primary key (user_id, id),
  constraint fk_api_keys_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint fk_api_keys_project_id foreign key (user_id, project_id) references projects (user_id, id) on delete cascade,
  constraint uq_api_keys_key_hash unique (key_hash),
  constraint ck_api_keys_name check (length(name) between 1 and 200)
);
create index ix_api_keys_project_id on api_keys (user_id, project_id);
alter table api_keys enable row level security, force row level security;
create policy tenant on api_keys to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy login on api_keys for select to parley_system using (true);
create policy usage on api_keys for update to parley_system using (true) with check (true);
grant select, insert, update, delete on api_keys to parley_app;
grant select (user_id, id, key_hash, scopes, project_id, last_used_at, expires_at), update (last_used_at)
  on api_keys to parley_system;

create index ix_sign_ins_ended_at on sign_ins (least(expires_at, revoked_at));
create policy sweep_read on sign_ins for select to parley_system using (true);
create policy sweep on sign_ins for delete to parley_system using (true);
grant select (user_id, id, expires_at, revoked_at), delete on sign_ins to parley_system`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
drop index ix_sign_ins_ended_at;
drop policy sweep_read on sign_ins;
drop policy sweep on sign_ins;
revoke select (user_id, id, expires_at, revoked_at), delete on sign_ins from parley_system;
drop table api_keys`);
  }
}
