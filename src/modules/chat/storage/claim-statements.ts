import { arrayOf, bytea, int, nullable, statement, text, uuid } from '../../../platform/database/statement.js';
import { TURN_CHANNEL } from '../../projects/public/turn-removal.js';
import type { ClaimedTurn, Lease, OpenedRow, ProgressRow, StrandedSession } from './turn-rows.js';
import { CONTENT_PROJECT, PROVIDER_KEY } from './turn-statements.js';

/**
 * The SQL of claims on turns and of the saved text of running turns. As in turn-statements.ts, `:userId` is the tenant,
 * except where a comment says otherwise.
 */

// Notifies the instance that runs the turn.
export const REQUEST_STOP = statement<{ isRunning: boolean }>()(
  'turn_request_stop',
  { userId: uuid, answerId: uuid },
  `
with asked as (
  update turns set stop_requested_at = coalesce(stop_requested_at, now())
  where user_id = :userId and message_id = :answerId
  returning is_running, owner
)
select is_running as "isRunning", pg_notify('${TURN_CHANNEL}', 'stop ' || owner) from asked`,
);

const CLAIMED = `
  t.user_id as "userId", t.message_id as "messageId", t.claim_id as "claimId", t.attempt, t.crashes, t.request,
  t.stop_requested_at is not null as "isStopRequested"`;

// Claims the first turn that waits in the session. The unique index refuses it while another turn runs, and waits for a
// turn that is just being settled. `materialized`, as in all claims: PostgreSQL may run a subquery with a limit again
// for every joined row, which would claim too many turns.
export const CLAIM_NEXT = statement<ClaimedTurn>()(
  'turn_claim_next',
  { userId: uuid, sessionId: uuid, claimId: uuid, owner: uuid, leaseMs: int },
  `
with next as materialized (
  select message_id from turns where user_id = :userId and session_id = :sessionId and not is_running
  order by seq limit 1 for update
)
update turns t
set is_running = true, claim_id = :claimId, owner = :owner, lease_until = now() + :leaseMs * interval '1 millisecond'
from next
where t.user_id = :userId and t.message_id = next.message_id
returning ${CLAIMED}`,
);

// Claims a waiting turn in order to settle it without running it.
export const CLAIM_WAITING = statement<ClaimedTurn>()(
  'turn_claim_waiting',
  { userId: uuid, answerId: uuid, claimId: uuid },
  `
update turns t set claim_id = :claimId where t.user_id = :userId and t.message_id = :answerId and not t.is_running
returning ${CLAIMED}`,
);

/** The saved text of the answer in attempt `of`, from offset `from` on: plain, or as encrypted pieces. */
const saved = (of: string, from: string): string => `
lateral (
  select string_agg(c.text, '' order by c.start_offset) as text,
    array_agg(c.sealed order by c.start_offset) filter (where c.sealed is not null) as "sealedText",
    array_agg(c.start_offset order by c.start_offset) as "sealedAt", min(c.attempt) as "sealedAttempt"
  from turn_chunks c
  where c.user_id = :userId and c.message_id = :answerId and c.attempt = ${of} and c.start_offset >= ${from}
) c`;

// Reads everything that is needed to run a turn that this instance did not open, if the claim is still valid.
export const READ_TURN = statement<OpenedRow>()(
  'turn_read',
  { userId: uuid, answerId: uuid, claimId: uuid },
  `
select m.session_id as "sessionId", p.id as "projectId", m.parent_id as "questionId", null::uuid as "parentId", m.seq,
  m.created_at as "createdAt", true as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  exists (select 1 from budget_reservations r where r.user_id = :userId and r.message_id = :answerId) as "isBudgeted",
  p.context_overflow as "contextOverflow", ${CONTENT_PROJECT}, ${PROVIDER_KEY}, m.id as "messageId", c.*
from messages m
join chat_sessions s on s.user_id = :userId and s.id = m.session_id
join projects p on p.user_id = :userId and p.id = s.project_id
cross join ${saved('(select max(l.attempt) from turn_chunks l where l.user_id = :userId and l.message_id = :answerId)', '0')}
where m.user_id = :userId and m.id = :answerId and exists (
  select 1 from turns t where t.user_id = :userId and t.message_id = :answerId and t.claim_id = :claimId)`,
);

// The saved text of a running answer after the attempt and offset of the reader.
export const READ_PROGRESS = statement<ProgressRow>()(
  'turn_read_progress',
  { userId: uuid, answerId: uuid, attempt: int, offset: int },
  `
select t.attempt, t.owner, t.message_id as "messageId", c.*
from turns t cross join ${saved('t.attempt', 'case when t.attempt = :attempt then :offset else 0 end')}
where t.user_id = :userId and t.message_id = :answerId`,
);

// The statements from here on run across tenants, by SystemScope. Statements that lock several turns lock them by id,
// as TurnRemoval does: different orders could deadlock. Renews only claims that the instance knows it has: a claim
// whose confirmation got lost must expire, or an owner that never runs it would keep it alive.
export const RENEW_LEASES = statement<Lease>()(
  'turns_renew_leases',
  { owner: uuid, leaseMs: int, claimIds: arrayOf(uuid) },
  `
with mine as materialized (
  select user_id, message_id from turns where owner = :owner and claim_id = any(:claimIds::uuid[]) and is_running
  order by user_id, message_id for no key update
)
update turns t set lease_until = now() + :leaseMs * interval '1 millisecond'
from mine
where t.user_id = mine.user_id and t.message_id = mine.message_id
returning t.message_id as "messageId", t.claim_id as "claimId", t.stop_requested_at is not null as "isStopRequested"`,
);

// The lease of a released turn becomes `-infinity`, which distinguishes it from a turn whose instance has died.
// Notifies the other instances, so that they take over the released turns and start turns that wait behind one that
// ended here during shutdown.
export const RELEASE_LEASES = statement<object>()(
  'turns_release_leases',
  { owner: uuid },
  `
with mine as materialized (
  select user_id, message_id from turns where owner = :owner and is_running order by user_id, message_id for no key update
), released as (
  update turns t set lease_until = '-infinity'
  from mine
  where t.user_id = mine.user_id and t.message_id = mine.message_id
  returning t.message_id
)
select pg_notify('${TURN_CHANNEL}', 'free ' || count(*)) from released`,
);

// `:owner` is the new owner.
export const CLAIM_EXPIRED = statement<ClaimedTurn>()(
  'turns_claim_expired',
  { owner: uuid, leaseMs: int, limit: int },
  `
with expired as materialized (
  select user_id, message_id, lease_until from turns where is_running and lease_until <= now()
  order by lease_until limit :limit for update skip locked
)
update turns t
set claim_id = gen_random_uuid(), owner = :owner, attempt = t.attempt + 1,
    crashes = t.crashes + case when expired.lease_until > '-infinity' then 1 else 0 end,
    lease_until = now() + :leaseMs * interval '1 millisecond'
from expired
where t.user_id = expired.user_id and t.message_id = expired.message_id
returning ${CLAIMED}`,
);

// Sessions where turns wait and none runs, because an instance died after one turn and before the next.
export const FIND_STRANDED = statement<StrandedSession>()(
  'turns_find_stranded',
  { limit: int },
  `
select distinct w.user_id as "userId", w.session_id as "sessionId" from turns w
where not w.is_running and not exists (
  select 1 from turns r where r.user_id = w.user_id and r.session_id = w.session_id and r.is_running)
limit :limit`,
);

// Saves text of all running turns of an instance in one statement. Text of a lost claim is not written, and text that
// was already written by an unconfirmed try is not written twice. Notifies followers on other instances.
export const FLUSH = statement<{ written: string[] | null }>()(
  'turns_flush',
  {
    owner: uuid,
    userIds: arrayOf(uuid),
    answerIds: arrayOf(uuid),
    claimIds: arrayOf(uuid),
    attempts: arrayOf(int),
    offsets: arrayOf(int),
    texts: arrayOf(text),
    sealed: arrayOf(nullable(bytea)),
  },
  `
with held as (
  select g.* from unnest(:userIds::uuid[], :answerIds::uuid[], :claimIds::uuid[], :attempts::int[], :offsets::int[], :texts::text[], :sealed::bytea[])
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
select array_agg(message_id) as written, pg_notify('${TURN_CHANNEL}', 'text ' || :owner::text) from held`,
);

// Notifies followers on other instances that a turn has ended, so they need not wait for their next poll.
export const NOTIFY_END = statement<object>()(
  'turn_notify_end',
  { answerId: uuid },
  `select pg_notify('${TURN_CHANNEL}', 'end ' || :answerId::text)`,
);
