-- The schema of the database, as all migrations make it. For reading: `npm run schema` writes this file from a
-- migrated database, and a test fails when it is out of date. To change the schema, add a migration.

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
  requests_per_minute integer,
  tokens_per_minute integer,
  constraint pk_api_keys primary key (user_id, id),
  constraint uq_api_keys_key_hash unique (key_hash),
  constraint fk_api_keys_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade,
  constraint fk_api_keys_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_api_keys_limits check (requests_per_minute > 0 and tokens_per_minute > 0),
  constraint ck_api_keys_name check (length(name) >= 1 and length(name) <= 200)
);
create index ix_api_keys_project_id on api_keys (user_id, project_id);
alter table api_keys enable row level security, force row level security;
create policy login on api_keys for select to parley_system
  using (true);
create policy tenant on api_keys to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
create policy usage on api_keys for update to parley_system
  using (true)
  with check (true);
grant delete, insert, select, update on api_keys to parley_app;
grant select (user_id, id, key_hash, scopes, project_id, last_used_at, expires_at), update (last_used_at) on api_keys to parley_system;

create table audit_events (
  user_id uuid not null,
  seq integer not null,
  id uuid not null,
  at timestamptz(3) not null,
  actor_kind text not null,
  actor_id uuid,
  action text not null,
  subject_id uuid,
  facts jsonb not null default '{}'::jsonb,
  previous_hash bytea not null,
  hash bytea not null,
  constraint pk_audit_events primary key (user_id, seq),
  constraint ck_audit_events_action check (action ~ '^[a-z_]+[.][a-z_]+$'),
  constraint ck_audit_events_actor_kind check (actor_kind = any (array['user', 'api_key', 'admin', 'system', 'anonymous'])),
  constraint ck_audit_events_facts check (jsonb_typeof(facts) = 'object' and length(facts::text) <= 2000),
  constraint ck_audit_events_seq check (seq > 0)
);
alter table audit_events enable row level security, force row level security;
create policy tenant on audit_events to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
create policy verify on audit_events for select to parley_system
  using (true);
grant insert, select on audit_events to parley_app;
grant select on audit_events to parley_system;
create trigger append_only before delete or update on audit_events for each row execute function refuse_change();
create trigger no_truncate before truncate on audit_events for each statement execute function refuse_change();

create table audit_heads (
  user_id uuid not null,
  seq integer not null,
  previous_hash bytea not null,
  hash bytea not null,
  constraint pk_audit_heads primary key (user_id)
) with (fillfactor=50);
alter table audit_heads enable row level security, force row level security;
create policy tenant on audit_heads to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
create policy verify on audit_heads for select to parley_system
  using (true);
grant insert, select on audit_heads to parley_app;
grant update (seq, previous_hash, hash) on audit_heads to parley_app;
grant select on audit_heads to parley_system;
create trigger no_delete before delete on audit_heads for each row execute function refuse_change();
create trigger no_truncate before truncate on audit_heads for each statement execute function refuse_change();
create trigger one_step before update on audit_heads for each row when (new.user_id <> old.user_id or new.seq <> (old.seq + 1) or new.previous_hash <> old.hash) execute function refuse_change();

create table budget_reservations (
  user_id uuid not null,
  message_id uuid not null,
  project_id uuid not null,
  micro_usd bigint not null,
  constraint pk_budget_reservations primary key (user_id, message_id),
  constraint fk_budget_reservations_message_id foreign key (user_id, message_id) references turns(user_id, message_id) on delete cascade,
  constraint ck_budget_reservations_micro_usd check (micro_usd >= 0)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
alter table budget_reservations enable row level security, force row level security;
create policy tenant on budget_reservations to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on budget_reservations to parley_app;

create table budgets (
  user_id uuid not null,
  id uuid not null,
  project_id uuid,
  day_limit_micro_usd bigint,
  month_limit_micro_usd bigint,
  day_cap_micro_usd bigint,
  month_cap_micro_usd bigint,
  day date not null,
  day_spent_micro_usd bigint not null,
  month date not null,
  month_spent_micro_usd bigint not null,
  constraint pk_budgets primary key (user_id, id),
  constraint uq_budgets_project_id unique nulls not distinct (user_id, project_id),
  constraint fk_budgets_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade,
  constraint fk_budgets_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_budgets_caps check (project_id is null or day_cap_micro_usd is null and month_cap_micro_usd is null),
  constraint ck_budgets_limits check (day_limit_micro_usd >= 0 and month_limit_micro_usd >= 0 and day_cap_micro_usd >= 0 and month_cap_micro_usd >= 0)
) with (fillfactor=50);
alter table budgets enable row level security, force row level security;
create policy project on budgets as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or project_id is null or project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy tenant on budgets to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on budgets to parley_app;

create table chat_sessions (
  user_id uuid not null,
  id uuid not null,
  project_id uuid not null,
  title text,
  is_title_given boolean not null default false,
  metadata jsonb not null default '{}'::jsonb,
  archived_at timestamptz,
  pinned_at timestamptz,
  last_seq integer not null default 0,
  last_message_id uuid,
  is_branched boolean not null default false,
  last_active_at timestamptz(3) not null default now(),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  constraint pk_chat_sessions primary key (user_id, id),
  constraint fk_chat_sessions_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade,
  constraint ck_chat_sessions_title check (length(title) >= 1 and length(title) <= 200)
) with (fillfactor=80);
create index ix_chat_sessions_activity on chat_sessions (user_id, project_id, last_active_at, id);
alter table chat_sessions enable row level security, force row level security;
create policy project on chat_sessions as restrictive to parley_app
  using (
case
    when ((select nullif(current_setting('app.project_id', true), '')::uuid)) is null then true
    else project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid))
end);
create policy retention_find on chat_sessions for select to parley_system
  using (true);
create policy tenant on chat_sessions to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on chat_sessions to parley_app;
grant select (user_id, project_id, last_active_at) on chat_sessions to parley_system;

create table circuits (
  key text not null,
  is_open boolean not null,
  open_until timestamptz not null,
  told_by uuid not null,
  changed_xid xid8 not null default pg_current_xact_id(),
  constraint pk_circuits primary key (key)
);
create index ix_circuits_changed_xid on circuits (changed_xid);
grant delete, insert, select, update on circuits to parley_system;

create table content_keys (
  user_id uuid not null,
  project_id uuid not null,
  wrapped_key bytea not null,
  master_version integer not null,
  created_at timestamptz not null default now(),
  constraint pk_content_keys primary key (user_id, project_id),
  constraint fk_content_keys_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade
);
alter table content_keys enable row level security, force row level security;
create policy project on content_keys as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy rotate_find on content_keys for select to parley_system
  using (true);
create policy tenant on content_keys to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on content_keys to parley_app;
grant select (user_id, project_id, master_version) on content_keys to parley_system;

create table data_keys (
  user_id uuid not null,
  wrapped_key bytea not null,
  master_version integer not null,
  created_at timestamptz not null default now(),
  constraint pk_data_keys primary key (user_id),
  constraint fk_data_keys_user_id foreign key (user_id) references users(id) on delete cascade
);
alter table data_keys enable row level security, force row level security;
create policy rotate_find on data_keys for select to parley_system
  using (true);
create policy tenant on data_keys to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on data_keys to parley_app;
grant select (user_id, master_version) on data_keys to parley_system;

create table erasure_receipts (
  id uuid not null,
  erased_at timestamptz(3) not null,
  subject bytea not null,
  counts jsonb not null,
  audit_seq integer not null,
  audit_hash bytea not null,
  signature bytea not null,
  constraint pk_erasure_receipts primary key (id)
);
grant insert, select on erasure_receipts to parley_app;

create table idempotency_keys (
  user_id uuid not null,
  route text not null,
  key text not null,
  request_hash bytea not null,
  message_id uuid,
  response jsonb,
  created_at timestamptz not null default now(),
  constraint pk_idempotency_keys primary key (user_id, route, key),
  constraint fk_idempotency_keys_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_idempotency_keys_key check (length(key) >= 1 and length(key) <= 255)
);
create index ix_idempotency_keys_created_at on idempotency_keys (created_at);
alter table idempotency_keys enable row level security, force row level security;
create policy sweep on idempotency_keys for delete to parley_system
  using (true);
create policy sweep_read on idempotency_keys for select to parley_system
  using (true);
create policy tenant on idempotency_keys to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on idempotency_keys to parley_app;
grant delete on idempotency_keys to parley_system;
grant select (user_id, route, key, created_at) on idempotency_keys to parley_system;

create table messages (
  user_id uuid not null,
  id uuid not null,
  session_id uuid not null,
  parent_id uuid,
  seq integer not null,
  role text not null,
  content text not null,
  parts jsonb,
  content_tokens integer,
  status text not null,
  attempt integer not null default 1,
  finish_reason text,
  provider text,
  model text,
  generation_id text,
  input_tokens integer,
  output_tokens integer,
  cached_input_tokens integer,
  is_usage_estimated boolean not null default false,
  cost_micro_usd bigint,
  error_code text,
  feedback_rating text,
  feedback_comment text,
  created_at timestamptz not null default now(),
  completed_at timestamptz,
  sealed bytea,
  sealed_comment bytea,
  path_length integer,
  context jsonb,
  error_detail text,
  constraint pk_messages primary key (user_id, id),
  constraint uq_messages_seq unique (user_id, session_id, seq),
  constraint fk_messages_parent_id foreign key (user_id, parent_id) references messages(user_id, id) on delete cascade,
  constraint fk_messages_session_id foreign key (user_id, session_id) references chat_sessions(user_id, id) on delete cascade,
  constraint ck_messages_failed check ((status = any (array['failed', 'interrupted'])) = (error_code is not null)),
  constraint ck_messages_feedback check (feedback_comment is null or feedback_rating is not null),
  constraint ck_messages_feedback_rating check (feedback_rating = any (array['up', 'down'])),
  constraint ck_messages_role check (role = any (array['user', 'assistant'])),
  constraint ck_messages_sealed check (sealed is null or content = '' and parts is null),
  constraint ck_messages_sealed_comment check (sealed_comment is null or feedback_comment is null and feedback_rating is not null),
  constraint ck_messages_settled check ((status = any (array['pending', 'streaming'])) = (completed_at is null)),
  constraint ck_messages_status check (status = any (array['pending', 'streaming', 'completed', 'stopped', 'failed', 'interrupted'])),
  constraint ck_messages_user check (role = 'assistant' or status = 'completed' and content_tokens is not null)
) with (fillfactor=85);
create index ix_messages_parent_id on messages (user_id, parent_id);
alter table messages enable row level security, force row level security;
create policy flush_read on messages for select to parley_system
  using (true);
create policy flush_status on messages for update to parley_system
  using (true)
  with check (true);
create policy project_delete on messages as restrictive for delete to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = messages.user_id and s.id = messages.session_id)));
create policy project_select on messages as restrictive for select to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = messages.user_id and s.id = messages.session_id)));
create policy project_update on messages as restrictive for update to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = messages.user_id and s.id = messages.session_id)));
create policy tenant on messages to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on messages to parley_app;
grant select (user_id, id, role, status, input_tokens, output_tokens, cost_micro_usd), update (status) on messages to parley_system;
create trigger project after insert on messages for each row when (current_setting('app.project_id', true) <> '') execute function require_session_in_project();

create table nightly_jobs (
  name text not null,
  run_id uuid,
  lease_until timestamptz not null default '-infinity'::timestamptz,
  done_at timestamptz not null default now(),
  constraint pk_nightly_jobs primary key (name)
);
grant select, update on nightly_jobs to parley_system;

create table plans (
  name text not null,
  requests_per_minute integer,
  tokens_per_minute integer,
  created_at timestamptz not null default now(),
  constraint pk_plans primary key (name),
  constraint ck_plans_limits check (requests_per_minute > 0 and tokens_per_minute > 0),
  constraint ck_plans_name check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$')
);
alter table plans enable row level security, force row level security;
create policy admin_insert on plans for insert to parley_app
  with check ((exists (select 1
   from users
  where users.id = ((select nullif(current_setting('app.user_id', true), '')::uuid)) and users.role = 'admin' and users.disabled_at is null)));
create policy admin_update on plans for update to parley_app
  using ((exists (select 1
   from users
  where users.id = ((select nullif(current_setting('app.user_id', true), '')::uuid)) and users.role = 'admin' and users.disabled_at is null)));
create policy everybody on plans for select to parley_app, parley_system
  using (true);
grant insert, select, update on plans to parley_app;
grant select on plans to parley_system;

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
);
grant select on prices to parley_app;
grant insert, select, update on prices to parley_system;

create table projects (
  user_id uuid not null,
  id uuid not null,
  name text not null,
  description text,
  provider text,
  model text,
  params jsonb not null default '{}'::jsonb,
  on_conflict text not null default 'reject',
  on_crash text not null default 'retry',
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  requests_per_minute integer,
  tokens_per_minute integer,
  retention_days integer,
  is_content_encrypted boolean not null default false,
  fallbacks jsonb not null default '[]'::jsonb,
  context_overflow text not null default 'drop',
  constraint pk_projects primary key (user_id, id),
  constraint fk_projects_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_projects_context_overflow check (context_overflow = any (array['drop', 'summarise'])),
  constraint ck_projects_fallbacks check (
case jsonb_typeof(fallbacks)
    when 'array' then jsonb_array_length(fallbacks) <= 5
    else false
end),
  constraint ck_projects_limits check (requests_per_minute > 0 and tokens_per_minute > 0),
  constraint ck_projects_name check (length(name) >= 1 and length(name) <= 200),
  constraint ck_projects_on_conflict check (on_conflict = any (array['reject', 'queue', 'interrupt'])),
  constraint ck_projects_on_crash check (on_crash = any (array['retry', 'keep'])),
  constraint ck_projects_provider check (provider = any (array['openai', 'openrouter', 'offline'])),
  constraint ck_projects_retention_days check (retention_days >= 1 and retention_days <= 3650)
);
create index ix_projects_retention_days on projects (user_id, id) where (retention_days is not null);
alter table projects enable row level security, force row level security;
create policy project on projects as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy retention_find on projects for select to parley_system
  using (retention_days is not null);
create policy tenant on projects to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on projects to parley_app;
grant select (user_id, id, retention_days) on projects to parley_system;

create table prompts (
  user_id uuid not null,
  id uuid not null,
  project_id uuid not null,
  name text,
  content text not null,
  content_tokens integer not null,
  "position" integer not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pk_prompts primary key (user_id, id),
  constraint uq_prompts_position unique (user_id, project_id, "position") deferrable initially deferred,
  constraint fk_prompts_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade,
  constraint ck_prompts_content check (length(content) > 0),
  constraint ck_prompts_position check ("position" >= 0)
);
alter table prompts enable row level security, force row level security;
create policy project on prompts as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy tenant on prompts to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on prompts to parley_app;

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
  constraint fk_provider_keys_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade,
  constraint ck_provider_keys_base_url check ((provider = 'custom') = (base_url is not null)),
  constraint ck_provider_keys_provider check (provider = any (array['openai', 'openrouter', 'custom']))
);
alter table provider_keys enable row level security, force row level security;
create policy project on provider_keys as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy tenant on provider_keys to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on provider_keys to parley_app;

create table rate_limits (
  key bytea not null,
  full_at timestamptz not null,
  constraint pk_rate_limits primary key (key)
) with (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
create index ix_rate_limits_full_at on rate_limits (full_at);
grant delete, insert, select, update on rate_limits to parley_system;

create table retention_runs (
  user_id uuid not null,
  project_id uuid not null,
  sessions integer not null,
  messages integer not null,
  idempotency_keys integer not null,
  created_at timestamptz not null default now(),
  constraint pk_retention_runs primary key (user_id, project_id),
  constraint fk_retention_runs_project_id foreign key (user_id, project_id) references projects(user_id, id) on delete cascade
);
alter table retention_runs enable row level security, force row level security;
create policy project on retention_runs as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy retention_find on retention_runs for select to parley_system
  using (true);
create policy tenant on retention_runs to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on retention_runs to parley_app;
grant select (user_id, project_id) on retention_runs to parley_system;

create table revocations (
  user_id uuid not null,
  subject_id uuid not null,
  is_revoked boolean not null default true,
  changed_xid xid8 not null default pg_current_xact_id(),
  expires_at timestamptz not null,
  constraint pk_revocations primary key (user_id, subject_id)
);
create index ix_revocations_changed_xid on revocations (changed_xid);
create index ix_revocations_expires_at on revocations (expires_at);
alter table revocations enable row level security, force row level security;
create policy sweep on revocations for delete to parley_system
  using (true);
create policy tenant on revocations to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
create policy watch on revocations for select to parley_system
  using (true);
grant delete, insert, select, update on revocations to parley_app;
grant delete, select on revocations to parley_system;

create table schema_migrations (
  id integer not null default nextval('schema_migrations_id_seq'::regclass),
  "timestamp" bigint not null,
  name character varying not null,
  constraint "PK_62441bec32630ced9e4cccae336" primary key (id)
);
grant select on schema_migrations to parley_app;

create table second_factors (
  user_id uuid not null,
  secret bytea not null,
  last_step integer not null default 0,
  recovery_hashes bytea[] not null default '{}'::bytea[],
  confirmed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint pk_second_factors primary key (user_id),
  constraint fk_second_factors_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_second_factors_recovery_hashes check (confirmed_at is not null or recovery_hashes = '{}'::bytea[])
);
alter table second_factors enable row level security, force row level security;
create policy tenant on second_factors to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on second_factors to parley_app;

create table session_summaries (
  user_id uuid not null,
  message_id uuid not null,
  session_id uuid not null,
  content text,
  sealed bytea,
  content_tokens integer,
  message_count integer,
  claimed_until timestamptz not null,
  created_at timestamptz not null default now(),
  constraint pk_session_summaries primary key (user_id, message_id),
  constraint fk_session_summaries_message_id foreign key (user_id, message_id) references messages(user_id, id) on delete cascade,
  constraint fk_session_summaries_session_id foreign key (user_id, session_id) references chat_sessions(user_id, id) on delete cascade,
  constraint ck_session_summaries_made check ((content is null) = (content_tokens is null) and (content is null) = (message_count is null)),
  constraint ck_session_summaries_sealed check (sealed is null or content = '')
);
create index ix_session_summaries_session_id on session_summaries (user_id, session_id);
alter table session_summaries enable row level security, force row level security;
create policy project on session_summaries as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = session_summaries.user_id and s.id = session_summaries.session_id)));
create policy tenant on session_summaries to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on session_summaries to parley_app;

create table sign_in_addresses (
  user_id uuid not null,
  address_hash bytea not null,
  last_used_at timestamptz not null default now(),
  constraint pk_sign_in_addresses primary key (user_id, address_hash),
  constraint fk_sign_in_addresses_user_id foreign key (user_id) references users(id) on delete cascade
);
alter table sign_in_addresses enable row level security, force row level security;
create policy tenant on sign_in_addresses to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on sign_in_addresses to parley_app;

create table sign_ins (
  user_id uuid not null,
  id uuid not null,
  seed bytea not null,
  generation integer not null default 1,
  user_agent text,
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),
  expires_at timestamptz not null,
  revoked_at timestamptz,
  constraint pk_sign_ins primary key (user_id, id),
  constraint fk_sign_ins_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_sign_ins_generation check (generation > 0)
);
create index ix_sign_ins_ended_at on sign_ins (least(expires_at, revoked_at));
alter table sign_ins enable row level security, force row level security;
create policy sweep on sign_ins for delete to parley_system
  using (true);
create policy sweep_read on sign_ins for select to parley_system
  using (true);
create policy tenant on sign_ins to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on sign_ins to parley_app;
grant delete on sign_ins to parley_system;
grant select (user_id, id, expires_at, revoked_at) on sign_ins to parley_system;

create table turn_buckets (
  user_id uuid not null,
  subject_id uuid not null,
  unit text not null,
  size integer not null,
  full_at timestamptz not null,
  constraint pk_turn_buckets primary key (user_id, subject_id, unit),
  constraint fk_turn_buckets_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_turn_buckets_size check (size > 0),
  constraint ck_turn_buckets_unit check (unit = any (array['requests', 'tokens']))
) with (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
alter table turn_buckets enable row level security, force row level security;
create policy sweep on turn_buckets for delete to parley_system
  using (true);
create policy sweep_lock on turn_buckets for update to parley_system
  using (true)
  with check (true);
create policy sweep_read on turn_buckets for select to parley_system
  using (true);
create policy tenant on turn_buckets to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on turn_buckets to parley_app;
grant delete on turn_buckets to parley_system;
grant select (user_id, subject_id, unit, full_at), update (full_at) on turn_buckets to parley_system;

create table turn_chunks (
  user_id uuid not null,
  message_id uuid not null,
  attempt integer not null,
  start_offset integer not null,
  text text not null,
  sealed bytea,
  constraint pk_turn_chunks primary key (user_id, message_id, attempt, start_offset),
  constraint fk_turn_chunks_message_id foreign key (user_id, message_id) references turns(user_id, message_id) on delete cascade,
  constraint ck_turn_chunks_sealed check (sealed is null or text = '')
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
alter table turn_chunks enable row level security, force row level security;
create policy flush on turn_chunks for insert to parley_system
  with check (true);
create policy project on turn_chunks as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from turns t
  where t.user_id = turn_chunks.user_id and t.message_id = turn_chunks.message_id)));
create policy tenant on turn_chunks to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on turn_chunks to parley_app;
grant insert on turn_chunks to parley_system;

create table turns (
  user_id uuid not null,
  message_id uuid not null,
  session_id uuid not null,
  seq integer not null,
  is_running boolean,
  claim_id uuid not null,
  owner uuid not null,
  attempt integer not null default 1,
  lease_until timestamptz not null,
  stop_requested_at timestamptz,
  request jsonb not null,
  created_at timestamptz not null default now(),
  crashes integer not null default 0,
  taken_tokens integer,
  taken_from uuid[],
  constraint pk_turns primary key (user_id, message_id),
  constraint fk_turns_message_id foreign key (user_id, message_id) references messages(user_id, id) on delete cascade,
  constraint fk_turns_session_id foreign key (user_id, session_id) references chat_sessions(user_id, id) on delete cascade,
  constraint ck_turns_admitted check (is_running is not null)
) with (fillfactor=50, autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=2000);
create index ix_turns_session_id on turns (user_id, session_id, seq);
create unique index uq_turns_running on turns (user_id, session_id) where is_running;
alter table turns enable row level security, force row level security;
create policy project_delete on turns as restrictive for delete to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = turns.user_id and s.id = turns.session_id)));
create policy project_select on turns as restrictive for select to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = turns.user_id and s.id = turns.session_id)));
create policy project_update on turns as restrictive for update to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or (exists (select 1
   from chat_sessions s
  where s.user_id = turns.user_id and s.id = turns.session_id)));
create policy takeover_claim on turns for update to parley_system
  using (true)
  with check (true);
create policy takeover_read on turns for select to parley_system
  using (true);
create policy tenant on turns to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on turns to parley_app;
grant select on turns to parley_system;
grant update (is_running, claim_id, owner, attempt, lease_until, crashes) on turns to parley_system;
create trigger project after insert on turns for each row when (current_setting('app.project_id', true) <> '') execute function require_session_in_project();

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
  asked_model text,
  constraint pk_usage_entries primary key (user_id, message_id, kind, attempt, revision),
  constraint fk_usage_entries_user_id foreign key (user_id) references users(id) on delete cascade,
  constraint ck_usage_entries_attempt check (attempt > 0 and revision >= 0),
  constraint ck_usage_entries_kind check (kind = any (array['answer', 'title', 'summary'])),
  constraint ck_usage_entries_status check (status = any (array['completed', 'stopped', 'failed', 'interrupted']))
);
create index ix_usage_entries_created_at on usage_entries (user_id, created_at);
create index ix_usage_entries_estimated on usage_entries (created_at) where (is_estimated and (generation_id is not null));
alter table usage_entries enable row level security, force row level security;
create policy project on usage_entries as restrictive to parley_app
  using (((select nullif(current_setting('app.project_id', true), '')::uuid)) is null or project_id = ((select nullif(current_setting('app.project_id', true), '')::uuid)));
create policy reconcile on usage_entries for select to parley_system
  using (true);
create policy tenant on usage_entries to parley_app
  using (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (user_id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant insert, select on usage_entries to parley_app;
grant select (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, cost_micro_usd, generation_id, created_at, asked_model) on usage_entries to parley_system;
create trigger append_only before delete or update on usage_entries for each row when (pg_trigger_depth() = 0) execute function refuse_change();
create trigger no_truncate before truncate on usage_entries for each statement execute function refuse_change();
create trigger spend after insert on usage_entries referencing new table as entries for each statement execute function spend_entries();

create table users (
  id uuid not null,
  email text not null,
  password_hash text not null,
  display_name text,
  created_at timestamptz not null default now(),
  role text not null default 'user',
  disabled_at timestamptz,
  email_verified_at timestamptz,
  requests_per_minute integer,
  tokens_per_minute integer,
  plan text,
  constraint pk_users primary key (id),
  constraint uq_users_email unique (email),
  constraint fk_users_plan foreign key (plan) references plans(name),
  constraint ck_users_display_name check (length(display_name) >= 1 and length(display_name) <= 200),
  constraint ck_users_email check (email = lower(email) and length(email) >= 3 and length(email) <= 254),
  constraint ck_users_limits check (requests_per_minute > 0 and tokens_per_minute > 0),
  constraint ck_users_role check (role = any (array['user', 'admin']))
);
create index ix_users_email_prefix on users (email text_pattern_ops);
alter table users enable row level security, force row level security;
create policy login on users for select to parley_system
  using (true);
create policy tenant on users to parley_app
  using (id = ((select nullif(current_setting('app.user_id', true), '')::uuid)))
  with check (id = ((select nullif(current_setting('app.user_id', true), '')::uuid)));
grant delete, insert, select, update on users to parley_app;
grant select (id, email, password_hash, created_at, role, disabled_at, email_verified_at) on users to parley_system;

-- May be called by: parley_app
create function charge_turn(tenant uuid, answer uuid, api_key uuid, default_plan text, output_cap integer, usual_output integer)
 returns jsonb
 language plpgsql
as $function$
declare
  found_limits record;
  cost integer;
  charged jsonb;
  is_refused boolean;
  metered uuid[];
begin
  select s.project_id,
    coalesce(u.requests_per_minute, d.requests_per_minute) as user_requests, p.requests_per_minute as project_requests,
    k.requests_per_minute as key_requests,
    coalesce(u.tokens_per_minute, d.tokens_per_minute) as user_tokens, p.tokens_per_minute as project_tokens,
    k.tokens_per_minute as key_tokens,
    coalesce(output_cap, (p.params ->> 'max_output_tokens')::integer, usual_output) as output
  into found_limits
  from turns t
  join chat_sessions s on s.user_id = tenant and s.id = t.session_id
  join projects p on p.user_id = tenant and p.id = s.project_id
  join users u on u.id = tenant
  left join plans d on d.name = coalesce(u.plan, default_plan)
  left join api_keys k on k.user_id = tenant and k.id = api_key
  where t.user_id = tenant and t.message_id = answer;
  if not found or num_nonnulls(found_limits.user_requests, found_limits.user_tokens, found_limits.project_requests,
    found_limits.project_tokens, found_limits.key_requests, found_limits.key_tokens) = 0
  then
    return null;
  end if;
  if num_nonnulls(found_limits.user_tokens, found_limits.project_tokens, found_limits.key_tokens) > 0 then
    select coalesce(q.content_tokens, 0) + found_limits.output into cost
    from messages a join messages q on q.user_id = tenant and q.id = a.parent_id
    where a.user_id = tenant and a.id = answer;
  end if;
  with taken as (
    insert into turn_buckets as b (user_id, subject_id, unit, size, full_at)
    select tenant, l.subject_id, l.unit, l.size, clock_timestamp() + make_interval(secs => case
      when l.unit = 'requests' then 60::float8 / l.size else 60::float8 * least(cost, l.size) / l.size end)
    from (values
      (tenant, 'requests', found_limits.user_requests), (tenant, 'tokens', found_limits.user_tokens),
      (found_limits.project_id, 'requests', found_limits.project_requests),
      (found_limits.project_id, 'tokens', found_limits.project_tokens),
      (api_key, 'requests', found_limits.key_requests), (api_key, 'tokens', found_limits.key_tokens)
    ) l (subject_id, unit, size)
    where l.size is not null
    order by l.subject_id, l.unit
    on conflict on constraint pk_turn_buckets do update set
      size = excluded.size,
      full_at = greatest(b.full_at, clock_timestamp()) + make_interval(secs => case
        when b.unit = 'requests' then 60::float8 / excluded.size
        else 60::float8 * least(cost, excluded.size) / excluded.size end)
    returning b.subject_id, b.unit, b.size, extract(epoch from b.full_at - clock_timestamp())::float8 as full_in,
      case when b.unit = 'requests' then 60::float8 / b.size else 60::float8 * least(cost, b.size) / b.size end as due
  )
  select jsonb_agg(jsonb_build_object(
      'name', case t.subject_id when tenant then 'user-' when api_key then 'key-' else 'project-' end || t.unit,
      'limit', t.size, 'fullIn', t.full_in, 'due', t.due)),
    bool_or(t.full_in > 60.001), array_agg(t.subject_id) filter (where t.unit = 'tokens')
  into charged, is_refused, metered
  from taken t;
  if is_refused then
    raise check_violation using message = 'too many turns or tokens', constraint = 'ck_turn_buckets_filled',
      detail = charged::text;
  end if;
  if metered is not null then
    update turns set taken_tokens = cost, taken_from = metered where user_id = tenant and message_id = answer;
  end if;
  return charged;
end $function$;

-- May be called by: parley_app
create function charge_turn(tenant uuid, answer uuid, project uuid, api_key uuid, default_plan text, project_requests integer, project_tokens integer, cost integer)
 returns jsonb
 language plpgsql
as $function$
declare
  found_limits record;
  charged jsonb;
  is_refused boolean;
  metered uuid[];
begin
  select coalesce(u.requests_per_minute, d.requests_per_minute) as user_requests, k.requests_per_minute as key_requests,
    coalesce(u.tokens_per_minute, d.tokens_per_minute) as user_tokens, k.tokens_per_minute as key_tokens
  into found_limits
  from users u
  left join plans d on d.name = coalesce(u.plan, default_plan)
  left join api_keys k on k.user_id = tenant and k.id = api_key
  where u.id = tenant;
  if not found or num_nonnulls(found_limits.user_requests, found_limits.user_tokens, project_requests, project_tokens,
    found_limits.key_requests, found_limits.key_tokens) = 0
  then
    return null;
  end if;
  with taken as (
    insert into turn_buckets as b (user_id, subject_id, unit, size, full_at)
    select tenant, l.subject_id, l.unit, l.size, clock_timestamp() + make_interval(secs => case
      when l.unit = 'requests' then 60::float8 / l.size else 60::float8 * least(cost, l.size) / l.size end)
    from (values
      (tenant, 'requests', found_limits.user_requests), (tenant, 'tokens', found_limits.user_tokens),
      (project, 'requests', project_requests),
      (project, 'tokens', project_tokens),
      (api_key, 'requests', found_limits.key_requests), (api_key, 'tokens', found_limits.key_tokens)
    ) l (subject_id, unit, size)
    where l.size is not null
    order by l.subject_id, l.unit
    on conflict on constraint pk_turn_buckets do update set
      size = excluded.size,
      full_at = greatest(b.full_at, clock_timestamp()) + make_interval(secs => case
        when b.unit = 'requests' then 60::float8 / excluded.size
        else 60::float8 * least(cost, excluded.size) / excluded.size end)
    returning b.subject_id, b.unit, b.size, extract(epoch from b.full_at - clock_timestamp())::float8 as full_in,
      case when b.unit = 'requests' then 60::float8 / b.size else 60::float8 * least(cost, b.size) / b.size end as due
  )
  select jsonb_agg(jsonb_build_object(
      'name', case t.subject_id when tenant then 'user-' when api_key then 'key-' else 'project-' end || t.unit,
      'limit', t.size, 'fullIn', t.full_in, 'due', t.due)),
    bool_or(t.full_in > 60.001), array_agg(t.subject_id) filter (where t.unit = 'tokens')
  into charged, is_refused, metered
  from taken t;
  if is_refused then
    raise check_violation using message = 'too many turns or tokens', constraint = 'ck_turn_buckets_filled',
      detail = charged::text;
  end if;
  if metered is not null then
    update turns set taken_tokens = cost, taken_from = metered where user_id = tenant and message_id = answer;
  end if;
  return charged;
end $function$;

-- May be called by: public
create function refuse_change()
 returns trigger
 language plpgsql
as $function$
begin
  raise exception '% is only ever added to', tg_table_name using errcode = 'insufficient_privilege';
end $function$;

-- May be called by: public
create function refuse_content(project uuid)
 returns boolean
 language plpgsql
 stable
as $function$
begin
  raise exception using errcode = 'PC001', message = 'content was not sealed for its project', detail = project::text;
end $function$;

-- May be called by: public
create function require_session_in_project()
 returns trigger
 language plpgsql
as $function$
begin
  if not exists (select 1 from chat_sessions s where s.user_id = new.user_id and s.id = new.session_id) then
    raise insufficient_privilege using message = 'new row violates row-level security: its session is outside the project';
  end if;
  return null;
end $function$;

-- May be called by: public
create function reserve_budgets(tenant uuid, answer uuid, rules jsonb)
 returns table(warnings jsonb)
 language plpgsql
as $function$
declare
  today constant date := (now() at time zone 'UTC')::date;
  asked record;
  budget record;
  one record;
  held bigint;
  amount bigint;
  is_known boolean;
  told jsonb := '[]';
begin
  if not exists (select 1 from budgets b where b.user_id = tenant) then return; end if;
  select s.project_id, p.fallbacks, coalesce(k.provider, p.provider, rules ->> 'provider') as provider,
    coalesce(t.request ->> 'model', p.model,
      rules -> 'models' ->> replace(coalesce(k.provider, p.provider, rules ->> 'provider'), 'custom', 'openai')) as model,
    coalesce(t.request -> 'params' ->> 'max_output_tokens', p.params ->> 'max_output_tokens', rules ->> 'outputTokens')::bigint
      as output_tokens,
    case when t.is_running then least(
      coalesce(nullif(current_setting('app.context_tokens', true), '')::bigint, 0) + (
        select q.content_tokens from messages a join messages q on q.user_id = tenant and q.id = a.parent_id
        where a.user_id = tenant and a.id = answer) + (
        select coalesce(sum(c.content_tokens + (rules ->> 'tokensPerPrompt')::int), 0) from prompts c
        where c.user_id = tenant and c.project_id = p.id),
      (rules ->> 'contextTokens')::bigint) else (rules ->> 'contextTokens')::bigint end as input_tokens
  into asked
  from turns t
  join chat_sessions s on s.user_id = tenant and s.id = t.session_id
  join projects p on p.user_id = tenant and p.id = s.project_id
  left join provider_keys k on k.user_id = tenant and k.project_id = p.id
  where t.user_id = tenant and t.message_id = answer;
  if not found then return; end if;
  -- What comes after may want the user as a parent of its rows; whoever makes a budget has the user first, and then it.
  perform 1 from users u where u.id = tenant for key share;
  for budget in
    select b.project_id,
      case when b.project_id is null then 'account' else 'project' end as scope,
      least(b.month_limit_micro_usd, b.month_cap_micro_usd) as month_limit,
      case when b.month = date_trunc('month', today)::date then b.month_spent_micro_usd else 0 end as month_spent,
      least(b.day_limit_micro_usd, b.day_cap_micro_usd) as day_limit,
      case when b.day = today then b.day_spent_micro_usd else 0 end as day_spent
    from budgets b
    where b.user_id = tenant and (b.project_id is null or b.project_id = asked.project_id)
    order by b.project_id nulls first for no key update
  loop
    continue when budget.month_limit is null and budget.day_limit is null;
    if amount is null then
      -- The dearest of those that may come to answer.
      select coalesce(max(worst), 0), bool_and(worst is not null) into amount, is_known
      from (
        select asked.provider, asked.model
        union all
        select f ->> 'provider', coalesce(f ->> 'model', rules -> 'models' ->> (f ->> 'provider'))
        from jsonb_array_elements(asked.fallbacks) f
      ) as candidate (provider, model)
      left join lateral (
        select ceil((asked.input_tokens * c.input_micro_usd + asked.output_tokens * c.output_micro_usd)::numeric / 1000000) as worst
        from prices c
        where c.provider = candidate.provider and c.valid_from <= now()
          and c.model in (candidate.model, regexp_replace(candidate.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''))
        order by c.model = candidate.model desc, c.valid_from desc limit 1
      ) price on true;
      if not is_known and not (rules ->> 'takesUnpriced')::boolean then
        raise exception 'no price of the model' using errcode = 'PY422', constraint = 'ck_budgets_priced';
      end if;
    end if;
    select coalesce(sum(r.micro_usd), 0) into held from budget_reservations r
    where r.user_id = tenant and (budget.project_id is null or r.project_id = budget.project_id);
    for one in
      select * from (values
        ('month', budget.month_limit, budget.month_spent, date_trunc('month', today) + interval '1 month'),
        ('day', budget.day_limit, budget.day_spent, today + interval '1 day')
      ) as period (name, most, spent, renews)
      where most is not null
    loop
      if one.spent + held + amount > one.most then
        raise exception 'over budget' using errcode = 'PY402', constraint = 'ck_budgets_kept', detail = json_build_object(
          'detail', format('The %s''s budget for the %s is %s micro-dollars: %s are spent, running turns may take %s, this one %s.',
            budget.scope, one.name, one.most, one.spent, held, amount),
          'extensions', json_build_object('budget', budget.scope, 'period', one.name,
            'renews_at', to_char(one.renews, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
          'retryAfterSeconds', case
            when amount > one.most then null
            when one.spent + amount <= one.most then 10
            else ceil(extract(epoch from one.renews - (now() at time zone 'UTC')))::int end);
      end if;
      if (one.spent + held + amount) * 5 >= one.most * 4 then
        told := told || jsonb_build_object('budget', budget.scope, 'period', one.name, 'limit', one.most,
          'used', one.spent + held + amount);
      end if;
    end loop;
  end loop;
  if amount is null then return; end if;
  insert into budget_reservations (user_id, message_id, project_id, micro_usd)
  values (tenant, answer, asked.project_id, amount);
  return query select told;
end $function$;

-- May be called by: public
create function reserve_budgets(tenant uuid, answer uuid, rules jsonb, context_tokens bigint)
 returns table(warnings jsonb)
 language plpgsql
as $function$
declare
  today constant date := (now() at time zone 'UTC')::date;
  asked record;
  budget record;
  one record;
  held bigint;
  amount bigint;
  is_known boolean;
  told jsonb := '[]';
begin
  if not exists (select 1 from budgets b where b.user_id = tenant) then return; end if;
  select s.project_id, p.fallbacks, coalesce(k.provider, p.provider, rules ->> 'provider') as provider,
    coalesce(t.request ->> 'model', p.model,
      rules -> 'models' ->> replace(coalesce(k.provider, p.provider, rules ->> 'provider'), 'custom', 'openai')) as model,
    coalesce(t.request -> 'params' ->> 'max_output_tokens', p.params ->> 'max_output_tokens', rules ->> 'outputTokens')::bigint
      as output_tokens,
    case when t.is_running then least(
      context_tokens + (
        select q.content_tokens from messages a join messages q on q.user_id = tenant and q.id = a.parent_id
        where a.user_id = tenant and a.id = answer) + (
        select coalesce(sum(c.content_tokens + (rules ->> 'tokensPerPrompt')::int), 0) from prompts c
        where c.user_id = tenant and c.project_id = p.id),
      (rules ->> 'contextTokens')::bigint) else (rules ->> 'contextTokens')::bigint end as input_tokens
  into asked
  from turns t
  join chat_sessions s on s.user_id = tenant and s.id = t.session_id
  join projects p on p.user_id = tenant and p.id = s.project_id
  left join provider_keys k on k.user_id = tenant and k.project_id = p.id
  where t.user_id = tenant and t.message_id = answer;
  if not found then return; end if;
  -- What comes after may want the user as a parent of its rows; whoever makes a budget has the user first, and then it.
  perform 1 from users u where u.id = tenant for key share;
  for budget in
    select b.project_id,
      case when b.project_id is null then 'account' else 'project' end as scope,
      least(b.month_limit_micro_usd, b.month_cap_micro_usd) as month_limit,
      case when b.month = date_trunc('month', today)::date then b.month_spent_micro_usd else 0 end as month_spent,
      least(b.day_limit_micro_usd, b.day_cap_micro_usd) as day_limit,
      case when b.day = today then b.day_spent_micro_usd else 0 end as day_spent
    from budgets b
    where b.user_id = tenant and (b.project_id is null or b.project_id = asked.project_id)
    order by b.project_id nulls first for no key update
  loop
    continue when budget.month_limit is null and budget.day_limit is null;
    if amount is null then
      -- The dearest of those that may come to answer.
      select coalesce(max(worst), 0), bool_and(worst is not null) into amount, is_known
      from (
        select asked.provider, asked.model
        union all
        select f ->> 'provider', coalesce(f ->> 'model', rules -> 'models' ->> (f ->> 'provider'))
        from jsonb_array_elements(asked.fallbacks) f
      ) as candidate (provider, model)
      left join lateral (
        select ceil((asked.input_tokens * c.input_micro_usd + asked.output_tokens * c.output_micro_usd)::numeric / 1000000) as worst
        from prices c
        where c.provider = candidate.provider and c.valid_from <= now()
          and c.model in (candidate.model, regexp_replace(candidate.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''))
        order by c.model = candidate.model desc, c.valid_from desc limit 1
      ) price on true;
      if not is_known and not (rules ->> 'takesUnpriced')::boolean then
        raise exception 'no price of the model' using errcode = 'PY422', constraint = 'ck_budgets_priced';
      end if;
    end if;
    select coalesce(sum(r.micro_usd), 0) into held from budget_reservations r
    where r.user_id = tenant and (budget.project_id is null or r.project_id = budget.project_id);
    for one in
      select * from (values
        ('month', budget.month_limit, budget.month_spent, date_trunc('month', today) + interval '1 month'),
        ('day', budget.day_limit, budget.day_spent, today + interval '1 day')
      ) as period (name, most, spent, renews)
      where most is not null
    loop
      if one.spent + held + amount > one.most then
        raise exception 'over budget' using errcode = 'PY402', constraint = 'ck_budgets_kept', detail = json_build_object(
          'detail', format('The %s''s budget for the %s is %s micro-dollars: %s are spent, running turns may take %s, this one %s.',
            budget.scope, one.name, one.most, one.spent, held, amount),
          'extensions', json_build_object('budget', budget.scope, 'period', one.name,
            'renews_at', to_char(one.renews, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
          'retryAfterSeconds', case
            when amount > one.most then null
            when one.spent + amount <= one.most then 10
            else ceil(extract(epoch from one.renews - (now() at time zone 'UTC')))::int end);
      end if;
      if (one.spent + held + amount) * 5 >= one.most * 4 then
        told := told || jsonb_build_object('budget', budget.scope, 'period', one.name, 'limit', one.most,
          'used', one.spent + held + amount);
      end if;
    end loop;
  end loop;
  if amount is null then return; end if;
  insert into budget_reservations (user_id, message_id, project_id, micro_usd)
  values (tenant, answer, asked.project_id, amount);
  return query select told;
end $function$;

-- May be called by: parley_app
create function settle_turn(tenant uuid, answer uuid, claim uuid, used integer)
 returns void
 language plpgsql
as $function$
declare
  taken record;
begin
  select t.taken_tokens, t.taken_from into taken from turns t
  where t.user_id = tenant and t.message_id = answer and t.claim_id = claim and t.taken_from is not null for update;
  if not found then
    return;
  end if;
  perform from turn_buckets b where b.user_id = tenant and b.unit = 'tokens' and b.subject_id = any(taken.taken_from)
  order by b.subject_id for update;
  update turn_buckets b
  set full_at = greatest(b.full_at, clock_timestamp())
    + make_interval(secs => 60::float8 * (used - least(taken.taken_tokens, b.size)) / b.size)
  where b.user_id = tenant and b.unit = 'tokens' and b.subject_id = any(taken.taken_from);
end $function$;

-- May be called by: public
create function spend_entries()
 returns trigger
 language plpgsql
as $function$
declare
  today constant date := (now() at time zone 'UTC')::date;
  this_month constant date := date_trunc('month', today)::date;
begin
  perform from budgets b
  where exists (select from entries e where e.user_id = b.user_id and (b.project_id is null or b.project_id = e.project_id))
  order by b.user_id, b.project_id nulls first for no key update;
  if not found then
    return null;
  end if;
  update budgets b
  set day = greatest(b.day, today), month = greatest(b.month, this_month),
    day_spent_micro_usd = case when b.day >= today then b.day_spent_micro_usd else 0 end
      + case when b.day <= today then s.cost else 0 end,
    month_spent_micro_usd = case when b.month >= this_month then b.month_spent_micro_usd else 0 end
      + case when b.month <= this_month then s.cost else 0 end
  from (
    select k.user_id, k.id, sum(e.cost_micro_usd) as cost
    from entries e join budgets k on k.user_id = e.user_id and (k.project_id is null or k.project_id = e.project_id)
    group by k.user_id, k.id
  ) s
  where b.user_id = s.user_id and b.id = s.id and s.cost <> 0;
  return null;
end $function$;

-- May be called by: parley_system
create function take_tokens(keys bytea[], sizes integer[], seconds integer[], cost integer)
 returns table(is_taken boolean, full_in float8)
 language plpgsql
as $function$
declare
  moment timestamptz;
begin
  insert into rate_limits as r (key, full_at)
  select distinct k, '-infinity'::timestamptz from unnest(keys) k order by 1
  on conflict on constraint pk_rate_limits do update set full_at = r.full_at where false;
  moment := clock_timestamp();
  return query
  with asked as materialized (
    select b.place, b.key, greatest(r.full_at, moment) as full_at, b.size, b.seconds,
      greatest(r.full_at, moment) + make_interval(secs => cost * b.seconds::double precision / b.size) as then_full_at
    from unnest(keys, sizes, seconds) with ordinality b(key, size, seconds, place)
    join rate_limits r on r.key = b.key
  ), verdict as (
    select bool_and(a.then_full_at <= moment + make_interval(secs => a.seconds)) as taken from asked a
  ), written as (
    update rate_limits r set full_at = a.then_full_at from asked a, verdict v where v.taken and r.key = a.key
  )
  select v.taken, extract(epoch from case when v.taken then a.then_full_at else a.full_at end - moment)::double precision
  from asked a, verdict v order by a.place;
end $function$;
