import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The ledger: one row for each call of a model provider, with what it used and what it cost, and the prices by which that
 * is counted. Rows of the ledger are added and read, never changed; what turns out otherwise later is one more row, the
 * next `revision`. They hold no foreign key to projects, sessions and messages, as they outlive them, and ids only. They
 * go with the account: whoever is erased has no ledger.
 *
 * `prices` is nobody's: millionths of a US dollar for a million tokens, each from a day on. The price of a call is the one
 * that was in force when its turn was opened. `parley_system` loads them, from the file of the release and from the
 * command line, and looks for entries that a provider's records may correct.
 */
export class UsageLedger1765000000000 implements MigrationInterface {
  name = 'UsageLedger1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [PRICES, ENTRIES, APPEND_ONLY, ISOLATION]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table usage_entries, prices');
  }
}

const PRICES = `
create table prices (
  provider text not null,
  model text not null,
  valid_from timestamptz not null,
  input_micro_usd bigint not null,
  cached_input_micro_usd bigint,
  output_micro_usd bigint not null,
  version text not null,
  constraint pk_prices primary key (provider, model, valid_from),
  constraint ck_prices_figures check (input_micro_usd >= 0 and output_micro_usd >= 0 and cached_input_micro_usd >= 0)
)`;

const ENTRIES = `
create table usage_entries (
  user_id uuid not null,
  message_id uuid not null,
  kind text not null,
  attempt integer not null,
  revision integer not null default 0,
  project_id uuid not null,
  session_id uuid not null,
  provider text not null,
  model text not null,
  is_own_key boolean not null,
  status text not null,
  input_tokens integer,
  output_tokens integer,
  cached_input_tokens integer,
  is_estimated boolean not null,
  price_version text,
  cost_micro_usd bigint,
  generation_id text,
  raw_usage jsonb,
  created_at timestamptz not null default now(),
  constraint pk_usage_entries primary key (user_id, message_id, kind, attempt, revision),
  constraint fk_usage_entries_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint ck_usage_entries_kind check (kind in ('answer', 'title', 'summary')),
  constraint ck_usage_entries_attempt check (attempt > 0 and revision >= 0),
  constraint ck_usage_entries_status check (status in ('completed', 'stopped', 'failed', 'interrupted'))
);
create index ix_usage_entries_created_at on usage_entries (user_id, created_at);
create index ix_usage_entries_estimated on usage_entries (created_at) where is_estimated and generation_id is not null`;

// What goes with its account is deleted by the foreign key, from inside a trigger.
const APPEND_ONLY = `
create trigger append_only before update or delete on usage_entries for each row
  when (pg_trigger_depth() = 0) execute function refuse_change();
create trigger no_truncate before truncate on usage_entries execute function refuse_change()`;

const ISOLATION = `
alter table usage_entries enable row level security, force row level security;
create policy tenant on usage_entries to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy project on usage_entries as restrictive to parley_app
  using (
    (select nullif(current_setting('app.project_id', true), '')::uuid) is null
    or project_id = (select nullif(current_setting('app.project_id', true), '')::uuid));
create policy reconcile on usage_entries for select to parley_system using (true);
grant select, insert on usage_entries to parley_app;
grant select (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model, is_own_key, status,
  input_tokens, output_tokens, cached_input_tokens, is_estimated, cost_micro_usd, generation_id, created_at)
  on usage_entries to parley_system;
grant select on prices to parley_app;
grant select, insert, update on prices to parley_system`;
