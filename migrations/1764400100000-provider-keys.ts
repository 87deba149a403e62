import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * A project's own key for a model provider, encrypted by its user's data key. One a project; it goes with its project.
 */
export class ProviderKeys1764400100000 implements MigrationInterface {
  name = 'ProviderKeys1764400100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table provider_keys (
  user_id uuid not null,
  project_id uuid not null,
  id uuid not null,
  provider text not null,
  base_url text,
  sealed_key bytea not null,
  hint text,
  created_at timestamptz not null default now(),
  constraint pk_provider_keys primary key (user_id, project_id),
  constraint fk_provider_keys_project_id foreign key (user_id, project_id)
    references projects (user_id, id) on delete cascade,
  constraint ck_provider_keys_provider check (provider in ('openai', 'openrouter', 'custom')),
  constraint ck_provider_keys_base_url check ((provider = 'custom') = (base_url is not null))
);
alter table provider_keys enable row level security, force row level security;
create policy tenant on provider_keys to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy project on provider_keys as restrictive to parley_app
  using (
    (select nullif(current_setting('app.project_id', true), '')::uuid) is null
    or project_id = (select nullif(current_setting('app.project_id', true), '')::uuid));
grant select, insert, update, delete on provider_keys to parley_app`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table provider_keys');
  }
}
