import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Rate limits that all instances share, and the addresses from which each user has signed in.
 *
 * `rate_limits` is a token bucket a row, of nobody's: its key is an HMAC of what is counted. A bucket is one point in time,
 * the one at which it is full again, so a row that lies in the past says nothing and is swept. The table is unlogged: after
 * a crash of PostgreSQL all buckets are full, which costs an attacker's patience nothing and every sign-in one flush less.
 * Only `parley_system` reaches it, through the function.
 *
 * `sign_in_addresses` is a user's own: whoever comes from one of them is not kept out by strangers who guess at the password.
 */
export class RateLimits1764200000000 implements MigrationInterface {
  name = 'RateLimits1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [RATE_LIMITS, TAKE_TOKENS, SIGN_IN_ADDRESSES, GRANTS]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table sign_in_addresses');
    await runner.query('drop function take_tokens');
    await runner.query('drop table rate_limits');
  }
}

const RATE_LIMITS = `
create unlogged table rate_limits (
  key bytea not null,
  full_at timestamptz not null,
  constraint pk_rate_limits primary key (key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index ix_rate_limits_full_at on rate_limits (full_at)`;

// Takes \`cost\` tokens from every bucket or from none (a negative cost gives back). A bucket of \`size\` tokens fills up evenly
// in \`seconds\`. The answer is, for each bucket in the order given, whether the tokens were taken and in how many seconds the
// bucket is full. Rows are locked in the order of their keys, so that no two callers wait for each other; the condition that
// is never true locks a row without writing it. The time is read after the locks: before, others would still move it.
const TAKE_TOKENS = `
create function take_tokens(keys bytea[], sizes integer[], seconds integer[], cost integer)
returns table (is_taken boolean, full_in double precision)
language plpgsql as $$
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
end $$`;

const SIGN_IN_ADDRESSES = `
create table sign_in_addresses (
  user_id uuid not null,
  address_hash bytea not null,
  last_used_at timestamptz not null default now(),
  constraint pk_sign_in_addresses primary key (user_id, address_hash),
  constraint fk_sign_in_addresses_user_id foreign key (user_id) references users (id) on delete cascade
);
alter table sign_in_addresses enable row level security, force row level security;
create policy tenant on sign_in_addresses to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))`;

const GRANTS = `
grant select, insert, update, delete on sign_in_addresses to parley_app;
grant select, insert, update, delete on rate_limits to parley_system;
revoke execute on function take_tokens from public;
grant execute on function take_tokens to parley_system`;
