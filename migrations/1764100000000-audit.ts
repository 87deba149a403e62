import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The audit log: what happened to an account, and by whom, as one hash chain a user. `audit_events` is only ever added
 * to; `audit_heads` holds the end of each chain, so that a cut tail shows, and is the row that appends wait for.
 *
 * Neither has a foreign key: the log outlives the account and what its events name, and holds ids only. The application
 * may read and add, not change or delete; a trigger refuses that to everybody else as well, and lets a head move only one
 * step on from where it is. `parley_system` reads both to verify the chains of all users.
 */
export class Audit1764100000000 implements MigrationInterface {
  name = 'Audit1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [TABLES, APPEND_ONLY, ISOLATION]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table audit_events, audit_heads; drop function refuse_change');
  }
}

const TABLES = `
create table audit_heads (
  user_id uuid not null,
  seq integer not null,
  previous_hash bytea not null,
  hash bytea not null,
  constraint pk_audit_heads primary key (user_id)
) with (fillfactor = 50);

create table audit_events (
  user_id uuid not null,
  seq integer not null,
  id uuid not null,
  at timestamptz(3) not null,
  actor_kind text not null,
  actor_id uuid,
  action text not null,
  subject_id uuid,
  facts jsonb not null default '{}',
  previous_hash bytea not null,
  hash bytea not null,
  constraint pk_audit_events primary key (user_id, seq),
  constraint ck_audit_events_seq check (seq > 0),
  constraint ck_audit_events_actor_kind check (actor_kind in ('user', 'api_key', 'admin', 'system', 'anonymous')),
  constraint ck_audit_events_action check (action ~ '^[a-z_]+[.][a-z_]+$'),
  constraint ck_audit_events_facts check (jsonb_typeof(facts) = 'object' and length(facts::text) <= 2000)
)`;

const APPEND_ONLY = `
create function refuse_change() returns trigger language plpgsql as $$
begin
  raise exception '% is only ever added to', tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger append_only before update or delete on audit_events for each row execute function refuse_change();
create trigger no_truncate before truncate on audit_events execute function refuse_change();
create trigger one_step before update on audit_heads for each row
  when (new.user_id <> old.user_id or new.seq <> old.seq + 1 or new.previous_hash <> old.hash)
  execute function refuse_change();
create trigger no_delete before delete on audit_heads for each row execute function refuse_change();
create trigger no_truncate before truncate on audit_heads execute function refuse_change()`;

const ISOLATION = ['audit_heads', 'audit_events']
  .map(
    (table) => `
alter table ${table} enable row level security, force row level security;
create policy tenant on ${table} to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy verify on ${table} for select to parley_system using (true);
grant select, insert on ${table} to parley_app;
grant select on ${table} to parley_system`,
  )
  .concat('grant update (seq, previous_hash, hash) on audit_heads to parley_app')
  .join(';');
