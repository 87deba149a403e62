import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Limits of turns. How many turns, and how many tokens of models, are allowed in a minute stands in four places: in the
 * plan of a user (no plan is the default one), with the user, where it replaces the plan's, with a project and with an API
 * key. Null is no limit. Plans are data that everybody may read and only admins may write, by the policies too.
 *
 * `turn_buckets` is a token bucket a row, as in `rate_limits`: the time at which it is full again. It belongs to a user, so
 * nobody touches another's. It is unlogged: after a crash of PostgreSQL all buckets are full. Its subject is the user, a
 * project or an API key, without a foreign key: who opens a turn would wait there for who deletes the project, and that one
 * waits for the session. What is left of a subject that is gone is swept with all that was not used for a day; there is no
 * index on that time, so that taking a token stays within its page.
 *
 * `turns` learns what was taken in advance and where, so that whoever settles the turn can put it right.
 */
export class TurnLimits1764700000000 implements MigrationInterface {
  name = 'TurnLimits1764700000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [PLANS, COLUMNS, BUCKETS, CHARGE_TURN, SETTLE_TURN, GRANTS]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
drop function settle_turn;
drop function charge_turn;
drop table turn_buckets;
alter table turns drop column taken_tokens, drop column taken_from;
alter table api_keys drop column requests_per_minute, drop column tokens_per_minute;
alter table projects drop column requests_per_minute, drop column tokens_per_minute;
alter table users drop column plan, drop column requests_per_minute, drop column tokens_per_minute;
drop table plans`);
  }
}

const PLANS = `
create table plans (
  name text not null,
  requests_per_minute integer,
  tokens_per_minute integer,
  created_at timestamptz not null default now(),
  constraint pk_plans primary key (name),
  constraint ck_plans_name check (name ~ '^[a-z0-9][a-z0-9-]{0,39}$'),
  constraint ck_plans_limits check (requests_per_minute > 0 and tokens_per_minute > 0)
);
insert into plans (name, requests_per_minute, tokens_per_minute)
values ('free', 120, 500000), ('pro', 1200, 5000000), ('unlimited', null, null);
alter table plans enable row level security, force row level security;
create policy everybody on plans for select to parley_app, parley_system using (true);
create policy admin_insert on plans for insert to parley_app with check (exists (
  select 1 from users where id = (select nullif(current_setting('app.user_id', true), '')::uuid) and role = 'admin'
    and disabled_at is null));
create policy admin_update on plans for update to parley_app using (exists (
  select 1 from users where id = (select nullif(current_setting('app.user_id', true), '')::uuid) and role = 'admin'
    and disabled_at is null))`;

const limitsOf = (table: string): string => `
alter table ${table} add column requests_per_minute integer, add column tokens_per_minute integer;
alter table ${table} add constraint ck_${table}_limits check (requests_per_minute > 0 and tokens_per_minute > 0) not valid;
alter table ${table} validate constraint ck_${table}_limits;`;

const COLUMNS = `
${['users', 'projects', 'api_keys'].map(limitsOf).join('')}
alter table users add column plan text;
alter table users add constraint fk_users_plan foreign key (plan) references plans (name) not valid;
alter table users validate constraint fk_users_plan;
alter table turns add column taken_tokens integer, add column taken_from uuid[]`;

const BUCKETS = `
create unlogged table turn_buckets (
  user_id uuid not null,
  subject_id uuid not null,
  unit text not null,
  size integer not null,
  full_at timestamptz not null,
  constraint pk_turn_buckets primary key (user_id, subject_id, unit),
  constraint fk_turn_buckets_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint ck_turn_buckets_unit check (unit in ('requests', 'tokens')),
  constraint ck_turn_buckets_size check (size > 0)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
alter table turn_buckets enable row level security, force row level security;
create policy tenant on turn_buckets to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy sweep_read on turn_buckets for select to parley_system using (true);
create policy sweep_lock on turn_buckets for update to parley_system using (true) with check (true);
create policy sweep on turn_buckets for delete to parley_system using (true)`;

// Takes a turn, and the tokens that it is likely to need, from every bucket that is there for it; or fails by
// ck_turn_buckets_filled with what it found as the detail, and so takes back the whole transaction. Called last in it: the
// buckets are locked until the commit, and whoever waits for them holds nothing that we still want. They are locked in the
// order of their key, so that no two callers wait for each other. Each one's time is read when it is locked: before, others
// would still move it. Tokens: the question and the most that may be answered; of a bucket that is smaller, all it has.
// A millisecond of grace is for fractions that are rounded.
// The answer is null when nothing is limited or no turn was opened, else an array of what was taken from: the limit, how
// many seconds it takes to be full again, and how many of them are due to this turn.
const CHARGE_TURN = `
create function charge_turn(
  tenant uuid, answer uuid, api_key uuid, default_plan text, output_cap integer, usual_output integer
) returns jsonb language plpgsql as $$
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
end $$`;

// Puts right what was taken in advance, for whoever still has the claim; called ahead of what ends the turn, and with it
// done or not. What was used beyond it is taken even where there is nothing left: the bucket is in debt, and its next turn
// waits for as long as it takes to fill up to what is asked for.
const SETTLE_TURN = `
create function settle_turn(tenant uuid, answer uuid, claim uuid, used integer) returns void language plpgsql as $$
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
end $$`;

const GRANTS = `
grant select, insert, update on plans to parley_app;
grant select on plans to parley_system;
grant select, insert, update, delete on turn_buckets to parley_app;
grant select (user_id, subject_id, unit, full_at), update (full_at), delete on turn_buckets to parley_system;
revoke execute on function charge_turn, settle_turn from public;
grant execute on function charge_turn, settle_turn to parley_app`;
