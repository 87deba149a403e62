import { CONTENT_PROJECT, PROVIDER_KEY } from './turn-statements.js';
import { TURN_CHANNEL } from '../following/turn-notices.js';

/** The SQL of who may run a turn, and of the text of running ones. As in turn-statements.ts, `$1` is the tenant at first. */

// $2 answer. Wakes the instance that runs it.
export const REQUEST_STOP = {
  name: 'turn_request_stop',
  text: `
with asked as (
  update turns set stop_requested_at = coalesce(stop_requested_at, now())
  where user_id = $1 and message_id = $2
  returning is_running, owner
)
select is_running as "isRunning", pg_notify('${TURN_CHANNEL}', 'stop ' || owner) from asked`,
};

const CLAIMED = `
  t.user_id as "userId", t.message_id as "messageId", t.claim_id as "claimId", t.attempt, t.crashes, t.request,
  t.stop_requested_at is not null as "isStopRequested"`;

// $2 session, $3 claim, $4 owner, $5 lease: the first that waits there. The unique index refuses it while another runs,
// and waits for one that is just being settled. Materialized, as in all claims: a sub-select with a limit may be run again
// for every row it is joined to, and would then claim more than it was asked for.
export const CLAIM_NEXT = {
  name: 'turn_claim_next',
  text: `
with next as materialized (
  select message_id from turns where user_id = $1 and session_id = $2 and not is_running
  order by seq limit 1 for update
)
update turns t
set is_running = true, claim_id = $3, owner = $4, lease_until = now() + $5 * interval '1 millisecond'
from next
where t.user_id = $1 and t.message_id = next.message_id
returning ${CLAIMED}`,
};

// $2 answer, $3 claim: takes a waiting turn out of the queue, to settle it unrun.
export const CLAIM_WAITING = {
  name: 'turn_claim_waiting',
  text: `
update turns t set claim_id = $3 where t.user_id = $1 and t.message_id = $2 and not t.is_running
returning ${CLAIMED}`,
};

/** What is safe of the answer $2 in the attempt `of`, from the offset `from` on: plain, or sealed piece by piece. */
const saved = (of: string, from: string): string => `
lateral (
  select string_agg(c.text, '' order by c.start_offset) as text,
    array_agg(c.sealed order by c.start_offset) filter (where c.sealed is not null) as "sealedText",
    array_agg(c.start_offset order by c.start_offset) as "sealedAt", min(c.attempt) as "sealedAttempt"
  from turn_chunks c
  where c.user_id = $1 and c.message_id = $2 and c.attempt = ${of} and c.start_offset >= ${from}
) c`;

// $2 answer, $3 claim: what it takes to run a turn that this instance did not open, as long as the claim holds.
export const READ_TURN = {
  name: 'turn_read',
  text: `
select m.session_id as "sessionId", p.id as "projectId", m.parent_id as "questionId", null::uuid as "parentId", m.seq,
  m.created_at as "createdAt", true as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  exists (select 1 from budget_reservations r where r.user_id = $1 and r.message_id = $2) as "isBudgeted",
  p.context_overflow as "contextOverflow", ${CONTENT_PROJECT}, ${PROVIDER_KEY}, m.id as "messageId", c.*
from messages m
join chat_sessions s on s.user_id = $1 and s.id = m.session_id
join projects p on p.user_id = $1 and p.id = s.project_id
cross join ${saved('(select max(l.attempt) from turn_chunks l where l.user_id = $1 and l.message_id = $2)', '0')}
where m.user_id = $1 and m.id = $2 and exists (
  select 1 from turns t where t.user_id = $1 and t.message_id = $2 and t.claim_id = $3)`,
};

// $2 answer, $3 attempt and $4 offset that the reader has: what is safe of a running answer beyond that.
export const READ_PROGRESS = {
  name: 'turn_read_progress',
  text: `
select t.attempt, t.owner, t.message_id as "messageId", c.*
from turns t cross join ${saved('t.attempt', 'case when t.attempt = $3 then $4 else 0 end')}
where t.user_id = $1 and t.message_id = $2`,
};

// From here on across tenants, by SystemScope. Who takes several turns takes them by id, as TurnRemoval does: two that took
// them in different orders would wait for each other. $1 owner, $2 lease in milliseconds, $3 claims. Only claims that the instance
// knows it has: one whose answer got lost on the way must run out, or it would be kept alive by an owner that never runs it.
export const RENEW_LEASES = {
  name: 'turns_renew_leases',
  text: `
with mine as materialized (
  select user_id, message_id from turns where owner = $1 and claim_id = any($3::uuid[]) and is_running
  order by user_id, message_id for no key update
)
update turns t set lease_until = now() + $2 * interval '1 millisecond'
from mine
where t.user_id = mine.user_id and t.message_id = mine.message_id
returning t.message_id as "messageId", t.claim_id as "claimId", t.stop_requested_at is not null as "isStopRequested"`,
};

// $1 owner. A lease that never began tells a turn that is handed over from one whose instance has died. Wakes the other
// instances, for what was running and for what waits behind a turn that has ended here since it was asked to stop.
export const RELEASE_LEASES = {
  name: 'turns_release_leases',
  text: `
with mine as materialized (
  select user_id, message_id from turns where owner = $1 and is_running order by user_id, message_id for no key update
), released as (
  update turns t set lease_until = '-infinity'
  from mine
  where t.user_id = mine.user_id and t.message_id = mine.message_id
  returning t.message_id
)
select pg_notify('${TURN_CHANNEL}', 'free ' || count(*)) from released`,
};

// $1 new owner, $2 lease in milliseconds, $3 how many at most.
export const CLAIM_EXPIRED = {
  name: 'turns_claim_expired',
  text: `
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
returning ${CLAIMED}`,
};

// $1 how many at most: sessions where turns wait and none runs, because an instance died between the two.
export const FIND_STRANDED = {
  name: 'turns_find_stranded',
  text: `
select distinct w.user_id as "userId", w.session_id as "sessionId" from turns w
where not w.is_running and not exists (
  select 1 from turns r where r.user_id = w.user_id and r.session_id = w.session_id and r.is_running)
limit $1`,
};

// $1 owner, then arrays: $2 users, $3 answers, $4 claims, $5 attempts, $6 offsets, $7 texts, $8 the same sealed. One write for all running turns
// of an instance; what belongs to a claim that was lost is not written, and what was written before (the answer got lost) is
// not written twice. Wakes those who follow from other instances.
export const FLUSH = {
  name: 'turns_flush',
  text: `
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
select array_agg(message_id) as written, pg_notify('${TURN_CHANNEL}', 'text ' || $1::text) from held`,
};

// $1 answer: tells those who follow a turn from other instances that it is over, so that they need not find out.
export const NOTIFY_END = { name: 'turn_notify_end', text: `select pg_notify('${TURN_CHANNEL}', 'end ' || $1::text)` };
