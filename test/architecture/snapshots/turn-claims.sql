-- TurnClaims.requestStop
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with asked as (
  update turns set stop_requested_at = coalesce(stop_requested_at, now())
  where user_id = $1 and message_id = $2
  returning is_running, owner
)
select is_running as "isRunning", pg_notify('parley_turns', 'stop ' || owner) from asked;
commit;

-- TurnClaims.claimNext
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with next as materialized (
  select message_id from turns where user_id = $1 and session_id = $2 and not is_running
  order by seq limit 1 for update
)
update turns t
set is_running = true, claim_id = $3, owner = $4, lease_until = now() + $5 * interval '1 millisecond'
from next
where t.user_id = $1 and t.message_id = next.message_id
returning 
  t.user_id as "userId", t.message_id as "messageId", t.claim_id as "claimId", t.attempt, t.crashes, t.request,
  t.stop_requested_at is not null as "isStopRequested";
commit;

-- TurnClaims.claimWaiting
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
update turns t set claim_id = $3 where t.user_id = $1 and t.message_id = $2 and not t.is_running
returning 
  t.user_id as "userId", t.message_id as "messageId", t.claim_id as "claimId", t.attempt, t.crashes, t.request,
  t.stop_requested_at is not null as "isStopRequested";
commit;

-- TurnClaims.renew
begin; set local role parley_system;
with mine as materialized (
  select user_id, message_id from turns where owner = $1 and claim_id = any($3::uuid[]) and is_running
  order by user_id, message_id for no key update
)
update turns t set lease_until = now() + $2 * interval '1 millisecond'
from mine
where t.user_id = mine.user_id and t.message_id = mine.message_id
returning t.message_id as "messageId", t.claim_id as "claimId", t.stop_requested_at is not null as "isStopRequested";
commit;

-- TurnClaims.release
begin; set local role parley_system;
with mine as materialized (
  select user_id, message_id from turns where owner = $1 and is_running order by user_id, message_id for no key update
), released as (
  update turns t set lease_until = '-infinity'
  from mine
  where t.user_id = mine.user_id and t.message_id = mine.message_id
  returning t.message_id
)
select pg_notify('parley_turns', 'free ' || count(*)) from released;
commit;

-- TurnClaims.claimExpired
begin; set local role parley_system;
with expired as materialized (
  select user_id, message_id, lease_until from turns where is_running and lease_until <= now()
  order by lease_until limit $3 for update skip locked
)
update turns t
set claim_id = gen_random_uuid(), owner = $1, attempt = t.attempt + 1,
    crashes = t.crashes + case when expired.lease_until > '-infinity' then 1 else 0 end,
    lease_until = now() + $2 * interval '1 millisecond'
from expired
where t.user_id = expired.user_id and t.message_id = expired.message_id
returning 
  t.user_id as "userId", t.message_id as "messageId", t.claim_id as "claimId", t.attempt, t.crashes, t.request,
  t.stop_requested_at is not null as "isStopRequested";
commit;

-- TurnClaims.findStranded
begin; set local role parley_system;
select distinct w.user_id as "userId", w.session_id as "sessionId" from turns w
where not w.is_running and not exists (
  select 1 from turns r where r.user_id = w.user_id and r.session_id = w.session_id and r.is_running)
limit $1;
commit;

-- TurnClaims.save
begin; set local role parley_system;
with held as (
  select g.* from unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::int[], $7::text[], $8::bytea[])
    as g (user_id, message_id, claim_id, attempt, start_offset, text, sealed)
  join turns t on t.user_id = g.user_id and t.message_id = g.message_id and t.claim_id = g.claim_id
  order by t.user_id, t.message_id for key share of t
), marked as (
  update messages m set status = 'streaming' from held h
  where m.user_id = h.user_id and m.id = h.message_id and m.status = 'pending'
), written as (
  insert into turn_chunks (user_id, message_id, attempt, start_offset, text, sealed)
  select user_id, message_id, attempt, start_offset, text, sealed from held
  on conflict do nothing
)
select array_agg(message_id) as written, pg_notify('parley_turns', 'text ' || $1::text) from held;
commit;

-- TurnClaims.notifyEnd
begin; set local role parley_system;
select pg_notify('parley_turns', 'end ' || $1::text);
commit;

