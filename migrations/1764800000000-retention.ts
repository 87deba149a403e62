import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * How long a project keeps its sessions, and the job that sees to it every night.
 *
 * `parley_system` finds the projects where something is due, by the times at which their sessions were last active; what is
 * deleted is deleted as its tenant. `retention_runs` holds what a run has deleted of a project so far and not told the
 * audit log yet: a row lives only while a project takes several transactions, or after a crash until the next run.
 *
 * `nightly_jobs` is a row a job, of nobody's: who runs it, for how long without a sign of life, and when it was done last.
 */
export class Retention1764800000000 implements MigrationInterface {
  name = 'Retention1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [SETTING, FIND, RUNS, JOBS]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table nightly_jobs, retention_runs');
    await runner.query(`
drop policy retention_find on chat_sessions;
revoke select (user_id, project_id, last_active_at) on chat_sessions from parley_system;
drop policy retention_find on projects;
revoke select (user_id, id, retention_days) on projects from parley_system;
alter table projects drop column retention_days`);
  }
}

// The index is empty when it is made, so it takes one look at a table that is small and locked for the column anyway.
const SETTING = `
alter table projects add column retention_days integer;
alter table projects
  add constraint ck_projects_retention_days check (retention_days between 1 and 3650) not valid;
alter table projects validate constraint ck_projects_retention_days;
create index ix_projects_retention_days on projects (user_id, id) where retention_days is not null`;

const FIND = `
create policy retention_find on projects for select to parley_system using (retention_days is not null);
grant select (user_id, id, retention_days) on projects to parley_system;
create policy retention_find on chat_sessions for select to parley_system using (true);
grant select (user_id, project_id, last_active_at) on chat_sessions to parley_system`;

const RUNS = `
create table retention_runs (
  user_id uuid not null,
  project_id uuid not null,
  sessions integer not null,
  messages integer not null,
  idempotency_keys integer not null,
  created_at timestamptz not null default now(),
  constraint pk_retention_runs primary key (user_id, project_id),
  constraint fk_retention_runs_project_id foreign key (user_id, project_id)
    references projects (user_id, id) on delete cascade
);
alter table retention_runs enable row level security, force row level security;
create policy tenant on retention_runs to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy project on retention_runs as restrictive to parley_app
  using (
    (select nullif(current_setting('app.project_id', true), '')::uuid) is null
    or project_id = (select nullif(current_setting('app.project_id', true), '')::uuid));
create policy retention_find on retention_runs for select to parley_system using (true);
grant select, insert, update, delete on retention_runs to parley_app;
grant select (user_id, project_id) on retention_runs to parley_system`;

// A job that is new was done just now: its first time is the next night, not the moment of the upgrade.
const JOBS = `
create table nightly_jobs (
  name text not null,
  run_id uuid,
  lease_until timestamptz not null default '-infinity',
  done_at timestamptz not null default now(),
  constraint pk_nightly_jobs primary key (name)
);
grant select, update on nightly_jobs to parley_system;
insert into nightly_jobs (name) values ('retention')`;
