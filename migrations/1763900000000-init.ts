import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The first schema: the seed's five tables plus sign-ins and running turns.
 *
 * Tenancy is in every row: each table below `users` has `user_id` first in its primary key, and every foreign key
 * carries it, so a row can not hang under another user's parent even by a bug. Row-level security is forced; the
 * application works as `parley_app`, which owns nothing and may not bypass it. Without `app.user_id` it sees no row.
 * `parley_system` is for the few jobs that look across tenants (login by e-mail, takeover of turns) and has policies on
 * just the tables and columns these need. Both are NOLOGIN roles: a login takes them by SET ROLE.
 */
export class Init1763900000000 implements MigrationInterface {
  name = 'Init1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [ROLES, ACCOUNTS, PROJECTS, CHATS, TURNS, IDEMPOTENCY, ISOLATION, GRANTS])
      await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    // The roles stay: they belong to the cluster, and another database may use them.
    await runner.query(
      'drop table idempotency_keys, turn_chunks, turns, messages, chat_sessions, prompts, projects, sign_ins, users',
    );
  }
}

// Roles are shared by all databases of a cluster, so another one may be creating them at this moment. From PostgreSQL 16 on
// who creates a role becomes a member that may hand it on but not take it, so it is granted even then.
const ROLES = `
do $$
declare
  role_name text;
begin
  foreach role_name in array array['parley_app', 'parley_system'] loop
    begin
      execute format('create role %I nologin nosuperuser nocreatedb nocreaterole noinherit nobypassrls', role_name);
    exception when duplicate_object or unique_violation then null;
    end;
    continue when (select rolsuper from pg_roles where rolname = current_user);
    begin
      execute format('grant %I to current_user', role_name);
    exception when insufficient_privilege then
      -- Somebody else has made the roles; being a member is then enough.
      if not pg_has_role(current_user, role_name, 'member') then raise; end if;
    end;
  end loop;
end $$`;

const ACCOUNTS = `
create table users (
  id uuid not null,
  email text not null,
  password_hash text not null,
  display_name text,
  created_at timestamptz not null default now(),
  constraint pk_users primary key (id),
  constraint uq_users_email unique (email),
  constraint ck_users_email check (email = lower(email) and length(email) between 3 and 254),
  constraint ck_users_display_name check (length(display_name) between 1 and 200)
);

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
  constraint fk_sign_ins_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint ck_sign_ins_generation check (generation > 0)
)`;

const PROJECTS = `
create table projects (
  user_id uuid not null,
  id uuid not null,
  name text not null,
  description text,
  provider text,
  model text,
  params jsonb not null default '{}',
  on_conflict text not null default 'reject',
  on_crash text not null default 'retry',
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pk_projects primary key (user_id, id),
  constraint fk_projects_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint ck_projects_name check (length(name) between 1 and 200),
  constraint ck_projects_provider check (provider in ('openai', 'openrouter', 'offline')),
  constraint ck_projects_on_conflict check (on_conflict in ('reject', 'queue', 'interrupt')),
  constraint ck_projects_on_crash check (on_crash in ('retry', 'keep'))
);

create table prompts (
  user_id uuid not null,
  id uuid not null,
  project_id uuid not null,
  name text,
  content text not null,
  content_tokens integer not null,
  position integer not null,
  version integer not null default 1,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pk_prompts primary key (user_id, id),
  constraint fk_prompts_project_id foreign key (user_id, project_id) references projects (user_id, id) on delete cascade,
  constraint uq_prompts_position unique (user_id, project_id, position) deferrable initially deferred,
  constraint ck_prompts_position check (position >= 0),
  constraint ck_prompts_content check (length(content) > 0)
)`;

// last_seq and last_message_id change with every turn; pages with room keep these updates off the indexes where they can.
const CHATS = `
create table chat_sessions (
  user_id uuid not null,
  id uuid not null,
  project_id uuid not null,
  title text,
  is_title_given boolean not null default false,
  metadata jsonb not null default '{}',
  archived_at timestamptz,
  pinned_at timestamptz,
  last_seq integer not null default 0,
  last_message_id uuid,
  is_branched boolean not null default false,
  last_active_at timestamptz(3) not null default now(),
  version integer not null default 1,
  created_at timestamptz not null default now(),
  constraint pk_chat_sessions primary key (user_id, id),
  constraint fk_chat_sessions_project_id foreign key (user_id, project_id)
    references projects (user_id, id) on delete cascade,
  constraint ck_chat_sessions_title check (length(title) between 1 and 200)
) with (fillfactor = 80);
create index ix_chat_sessions_activity on chat_sessions (user_id, project_id, last_active_at, id);

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
  constraint pk_messages primary key (user_id, id),
  constraint fk_messages_session_id foreign key (user_id, session_id)
    references chat_sessions (user_id, id) on delete cascade,
  constraint fk_messages_parent_id foreign key (user_id, parent_id) references messages (user_id, id) on delete cascade,
  constraint uq_messages_seq unique (user_id, session_id, seq),
  constraint ck_messages_role check (role in ('user', 'assistant')),
  constraint ck_messages_status
    check (status in ('pending', 'streaming', 'completed', 'stopped', 'failed', 'interrupted')),
  constraint ck_messages_settled check ((status in ('pending', 'streaming')) = (completed_at is null)),
  constraint ck_messages_failed check ((status in ('failed', 'interrupted')) = (error_code is not null)),
  constraint ck_messages_user check (role = 'assistant' or (status = 'completed' and content_tokens is not null)),
  constraint ck_messages_feedback_rating check (feedback_rating in ('up', 'down')),
  constraint ck_messages_feedback check (feedback_comment is null or feedback_rating is not null)
) with (fillfactor = 85);
create index ix_messages_parent_id on messages (user_id, parent_id)`;

// A row in turns is a claim on a running answer, or the place of one that waits for its turn in the session; it lives from
// OPEN to CLOSE. Both tables churn and stay small, so they are vacuumed by count, not by share of their size. The partial
// index is the policy: at most one running turn a session, whatever any instance believes.
const TURNS = `
create table turns (
  user_id uuid not null,
  message_id uuid not null,
  session_id uuid not null,
  seq integer not null,
  is_running boolean not null,
  claim_id uuid not null,
  owner uuid not null,
  attempt integer not null default 1,
  lease_until timestamptz not null,
  stop_requested_at timestamptz,
  request jsonb not null,
  created_at timestamptz not null default now(),
  constraint pk_turns primary key (user_id, message_id),
  constraint fk_turns_message_id foreign key (user_id, message_id) references messages (user_id, id) on delete cascade,
  constraint fk_turns_session_id foreign key (user_id, session_id)
    references chat_sessions (user_id, id) on delete cascade
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create unique index uq_turns_running on turns (user_id, session_id) where is_running;
create index ix_turns_session_id on turns (user_id, session_id, seq);

create table turn_chunks (
  user_id uuid not null,
  message_id uuid not null,
  attempt integer not null,
  start_offset integer not null,
  text text not null,
  constraint pk_turn_chunks primary key (user_id, message_id, attempt, start_offset),
  constraint fk_turn_chunks_message_id foreign key (user_id, message_id)
    references turns (user_id, message_id) on delete cascade
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)`;

// A key lives in the same transaction as the write it protects. A turn's key points to its answer, which is what a repeat
// gets; any other keeps the response itself.
const IDEMPOTENCY = `
create table idempotency_keys (
  user_id uuid not null,
  route text not null,
  key text not null,
  request_hash bytea not null,
  message_id uuid,
  response jsonb,
  created_at timestamptz not null default now(),
  constraint pk_idempotency_keys primary key (user_id, route, key),
  constraint fk_idempotency_keys_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint ck_idempotency_keys_key check (length(key) between 1 and 255)
);
create index ix_idempotency_keys_created_at on idempotency_keys (created_at)`;

// The sub-select makes PostgreSQL read the setting once a statement instead of once a row.
const TENANT = `(select nullif(current_setting('app.user_id', true), '')::uuid)`;

const TENANT_TABLES = [
  'sign_ins',
  'projects',
  'prompts',
  'chat_sessions',
  'messages',
  'turns',
  'turn_chunks',
  'idempotency_keys',
];

const ISOLATION = [
  ...['users', ...TENANT_TABLES].map(
    (table) => `alter table ${table} enable row level security, force row level security`,
  ),
  `create policy tenant on users to parley_app using (id = ${TENANT}) with check (id = ${TENANT})`,
  ...TENANT_TABLES.map(
    (table) =>
      `create policy tenant on ${table} to parley_app using (user_id = ${TENANT}) with check (user_id = ${TENANT})`,
  ),
  'create policy login on users for select to parley_system using (true)',
  'create policy takeover_read on turns for select to parley_system using (true)',
  'create policy takeover_claim on turns for update to parley_system using (true) with check (true)',
  'create policy flush on turn_chunks for insert to parley_system with check (true)',
  'create policy sweep_read on idempotency_keys for select to parley_system using (true)',
  'create policy sweep on idempotency_keys for delete to parley_system using (true)',
  'create policy flush_read on messages for select to parley_system using (true)',
  'create policy flush_status on messages for update to parley_system using (true) with check (true)',
].join(';\n');

const GRANTS = `
do $$
begin
  execute format('grant usage on schema %I to parley_app, parley_system', current_schema());
end $$;
grant select, insert, update, delete on users, ${TENANT_TABLES.join(', ')} to parley_app;
grant select on schema_migrations to parley_app;
grant select (id, email, password_hash) on users to parley_system;
grant select on turns to parley_system;
grant update (is_running, claim_id, owner, attempt, lease_until) on turns to parley_system;
grant select (user_id, id, status), update (status) on messages to parley_system;
grant insert on turn_chunks to parley_system;
grant select (user_id, route, key, created_at), delete on idempotency_keys to parley_system`;
