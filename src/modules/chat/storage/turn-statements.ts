import {
  boolean,
  bytea,
  int,
  json,
  nullable,
  type Statement,
  statement,
  text,
  uuid,
} from '../../../platform/database/statement.js';
import { correctCharge } from '../../limits/public/turn-limits.js';
import { TURN_CHANNEL } from '../../projects/public/turn-removal.js';
import { insertEntries } from '../../usage/public/usage-recorder.js';
import type { Message } from '../message.entity.js';
import type { TurnPlace } from '../turn.js';
import { counted } from './context-statements.js';
import { SELECT_MESSAGE } from './message-columns.js';
import type { ClosedRow, OpenedRow } from './turn-rows.js';

/**
 * The SQL of a turn. Each statement is sent under a name, so PostgreSQL parses and plans it once per connection, and
 * several statements are sent in one write (platform/database/pipeline.ts). `:userId` is the tenant in all of them.
 */

/** The values of the answer and its claim, in every form of OPEN. */
const CLAIM_VALUES = {
  answerId: uuid,
  claimId: uuid,
  owner: uuid,
  leaseMs: int,
  request: json,
  /** Null uses the project's policy. */
  policy: nullable(text),
};

const ANSWER_AND_CLAIM = `
  answer as (
    insert into messages (user_id, id, session_id, parent_id, path_length, seq, role, content, status)
    select :userId, :answerId, s.id, s.question_id, s.path_length, s.last_seq, 'assistant', '', 'pending' from session s
  ), turn as (
    insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
    select :userId, :answerId, s.id, s.last_seq, s.is_running, :claimId, :owner,
      case when s.is_running then now() + :leaseMs * interval '1 millisecond' else 'infinity' end, :request
    from session s
  )`;

const QUESTION_VALUES = {
  questionId: uuid,
  content: text,
  parts: nullable(json),
  contentTokens: int,
  sessionId: uuid,
  title: nullable(text),
  sealed: nullable(bytea),
};

const QUESTION = `
  question as (
    insert into messages
      (user_id, id, session_id, parent_id, path_length, seq, role, content, parts, content_tokens, sealed, status, completed_at)
    select :userId, :questionId, s.id, s.parent_id, s.path_length - 1, s.last_seq - 1, 'user', :content, :parts, :contentTokens, :sealed, 'completed', now()
    from session s
  )`;

// A turn that interrupts asks all other turns of the session to stop. A waiting turn is settled when its turn in the
// queue comes.
const INTERRUPTED = `
  interrupted as (
    update turns t set stop_requested_at = coalesce(t.stop_requested_at, now())
    from session s
    where s.policy = 'interrupt' and t.user_id = :userId and t.session_id = s.id
    returning t.message_id, pg_notify('${TURN_CHANNEL}', 'stop ' || t.owner)
  )`;

const pathLengthOf = (id: string): string =>
  `coalesce((select m.path_length from messages m where m.user_id = :userId and m.id = ${id}), ${counted(id)}, 0)`;

/** The provider key of project `p`, still encrypted; null when it has none. */
export const PROVIDER_KEY = `(
    select json_build_object('id', k.id, 'provider', k.provider, 'baseUrl', k.base_url,
      'sealedKey', encode(k.sealed_key, 'hex'))
    from provider_keys k where k.user_id = :userId and k.project_id = p.id
  ) as "providerKey"`;

/** The id of project `p` if its content is stored encrypted. */
export const CONTENT_PROJECT = `case when p.is_content_encrypted then p.id end as "contentProjectId"`;

// Encrypted content begins with the id of the project whose key encrypts it. Content in the wrong form for project `p`
// fails the whole transaction before a row is written: the idempotency key of the request is free again, and the error
// names the project. PostgreSQL may evaluate the condition for other projects of the user first, so the condition
// itself checks which project is meant.
const rightlySealed = (isMeant: string): string => `
    case when not ${isMeant} then false
      when coalesce(substring(:sealed::bytea from 1 for 16), '') = case when p.is_content_encrypted then uuid_send(p.id) else '' end
      then true else refuse_content(p.id) end`;

const OPENED = `
  s.id as "sessionId", p.id as "projectId", s.question_id as "questionId", s.parent_id as "parentId", s.last_seq as seq, now() as "createdAt",
  s.is_running as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  p.context_overflow as "contextOverflow", ${CONTENT_PROJECT}, ${PROVIDER_KEY}`;

// True: run at once. False: wait. Null: neither is allowed, and ck_turns_admitted fails the whole transaction.
const IS_RUNNING = `
  case when not exists (select 1 from turns t where t.user_id = :userId and t.session_id = s.id) then true
    when coalesce(:policy, p.on_conflict) <> 'reject' then false end`;

// Sent before the statement that opens a turn, so that statement has a snapshot from after the wait for the lock. It
// sees the state that the previous turn has left, and decides whether the new turn runs, waits or is refused.
export const LOCK_SESSION = statement<object>()(
  'turn_lock_session',
  { userId: uuid, sessionId: uuid },
  `select from chat_sessions where user_id = :userId and id = :sessionId for update`,
);

/** The statement to send before OPEN; null for a new session, which needs no lock. */
export function lockOf(userId: string, place: TurnPlace): Statement | null {
  return 'sessionId' in place ? LOCK_SESSION({ userId, sessionId: place.sessionId }) : null;
}

// Locks the session of a message.
export const LOCK_SESSION_OF = statement<object>()(
  'turn_lock_session_of',
  { userId: uuid, messageId: uuid },
  `
select from chat_sessions
where user_id = :userId and id = (select session_id from messages where user_id = :userId and id = :messageId) for update`,
);

// In a new session the turn always runs at once, whatever the policy.
export const OPEN_IN_NEW_SESSION = statement<OpenedRow>()(
  'turn_open_in_new_session',
  { userId: uuid, projectId: uuid, ...CLAIM_VALUES, ...QUESTION_VALUES },
  `
with project as (
  select * from projects p where p.user_id = :userId and p.id = :projectId and ${rightlySealed('(p.id = :projectId)')}
), created as (
  insert into chat_sessions (user_id, id, project_id, title, last_seq, last_message_id)
  select :userId, :sessionId, id, :title, 2, :answerId from project
  returning id, last_seq
), session as (
  select c.id, c.last_seq, :questionId::uuid as question_id, null::uuid as parent_id, (:policy::text is null or true) as is_running,
    2 as path_length
  from created c
), ${QUESTION}, ${ANSWER_AND_CLAIM}
select ${OPENED}, null as interrupted from session s, project p`,
);

// Sent after LOCK_SESSION. `hasParent` says whether the client named a parent; a null `parentId` then means the
// beginning.
export const OPEN_IN_SESSION = statement<OpenedRow>()(
  'turn_open_in_session',
  {
    userId: uuid,
    projectId: nullable(uuid),
    ...CLAIM_VALUES,
    ...QUESTION_VALUES,
    hasParent: boolean,
    parentId: nullable(uuid),
  },
  `
with place as (
  select s.id, s.last_message_id, coalesce(:policy, p.on_conflict) as policy, ${IS_RUNNING} as is_running,
    case when :hasParent then :parentId::uuid else s.last_message_id end as parent_id
  from chat_sessions s join projects p on p.user_id = :userId and p.id = s.project_id
  where s.user_id = :userId and s.id = :sessionId and (:projectId::uuid is null or s.project_id = :projectId)
    and (not :hasParent or :parentId::uuid is null or exists (
      select 1 from messages m where m.user_id = :userId and m.id = :parentId and m.session_id = s.id and m.role = 'assistant'))
    and ${rightlySealed('(s.id = :sessionId and p.id = s.project_id)')}
), session as (
  update chat_sessions s
  set last_seq = s.last_seq + 2, last_message_id = :answerId, last_active_at = now(),
      is_branched = s.is_branched or p.parent_id is distinct from p.last_message_id,
      title = coalesce(s.title, case when s.last_seq = 0 then :title end)
  from place p
  where s.user_id = :userId and s.id = p.id
  returning s.id, s.project_id, s.last_seq, :questionId::uuid as question_id, p.parent_id, p.policy, p.is_running,
    ${pathLengthOf('p.parent_id')} + 2 as path_length
), ${QUESTION}, ${ANSWER_AND_CLAIM}, ${INTERRUPTED}
select ${OPENED}, (select array_agg(i.message_id) from interrupted i) as interrupted
from session s join projects p on p.user_id = :userId and p.id = s.project_id`,
);

// Sent after LOCK_SESSION_OF. `messageId` is an answer or its question.
export const OPEN_SIBLING = statement<OpenedRow>()(
  'turn_open_sibling',
  { userId: uuid, messageId: uuid, ...CLAIM_VALUES },
  `
with place as (
  select s.id, case when m.role = 'user' then m.id else m.parent_id end as question_id,
    coalesce(:policy, p.on_conflict) as policy, ${IS_RUNNING} as is_running
  from messages m
  join chat_sessions s on s.user_id = :userId and s.id = m.session_id
  join projects p on p.user_id = :userId and p.id = s.project_id
  where m.user_id = :userId and m.id = :messageId
), session as (
  update chat_sessions s
  set last_seq = s.last_seq + 1, last_message_id = :answerId, last_active_at = now(), is_branched = true
  from place p
  where s.user_id = :userId and s.id = p.id
  returning s.id, s.project_id, s.last_seq, p.question_id, null::uuid as parent_id, p.policy, p.is_running,
    ${pathLengthOf('p.question_id')} + 1 as path_length
), ${ANSWER_AND_CLAIM}, ${INTERRUPTED}
select ${OPENED}, (select array_agg(i.message_id) from interrupted i) as interrupted
from session s join projects p on p.user_id = :userId and p.id = s.project_id`,
);

// Changes nothing if the claim was lost. `usedTokens` is null when no tokens were charged. The cost of the answer is
// the sum over its calls if the cost of each is known; a call that was refused at once, without any known tokens, does
// not count. Also returns whether another turn of the session waits for this one.
export const CLOSE = statement<ClosedRow>()(
  'turn_close',
  {
    userId: uuid,
    answerId: uuid,
    claimId: uuid,
    status: text,
    content: text,
    contentTokens: nullable(int),
    finishReason: nullable(text),
    provider: nullable(text),
    model: nullable(text),
    generationId: nullable(text),
    inputTokens: nullable(int),
    outputTokens: nullable(int),
    cachedInputTokens: nullable(int),
    isUsageEstimated: boolean,
    errorCode: nullable(text),
    attempt: int,
    sealed: nullable(bytea),
    context: nullable(json),
    errorDetail: nullable(text),
    projectId: uuid,
    calls: json,
    usedTokens: nullable(int),
  },
  `
with settled as materialized (
  select ${correctCharge({ answer: ':answerId', claim: ':claimId', tokens: ':usedTokens' })} where :usedTokens is not null
), turn as (
  delete from turns t using (select count(*) from settled) s
  where t.user_id = :userId and t.message_id = :answerId and t.claim_id = :claimId
  returning t.message_id, t.session_id, t.created_at as at
), entries as (${insertEntries({
    kind: "'answer'",
    revision: '0',
    project: ':projectId',
    session: 'b.session_id',
    calls: ':calls',
    begun: 'turn',
  })}
  returning cost_micro_usd, status, input_tokens
)
update messages m
set status = :status, content = :content, content_tokens = :contentTokens, finish_reason = :finishReason, provider = :provider, model = :model, generation_id = :generationId,
    input_tokens = :inputTokens, output_tokens = :outputTokens, cached_input_tokens = :cachedInputTokens, is_usage_estimated = :isUsageEstimated, error_code = :errorCode, attempt = :attempt,
    sealed = :sealed, context = :context, error_detail = :errorDetail, completed_at = now(), cost_micro_usd = (
      select case when bool_and(e.cost_micro_usd is not null or e.status = 'failed' and e.input_tokens is null)
        then sum(e.cost_micro_usd) end from entries e)
from turn t
where m.user_id = :userId and m.id = t.message_id
returning m.completed_at as "completedAt", m.cost_micro_usd::float8 as "costMicroUsd", exists (
  select 1 from turns w where w.user_id = :userId and w.session_id = t.session_id and not w.is_running) as "hasNext"`,
);

// Reads a message, or the question that it answers, as an entity.
export const READ_MESSAGE = statement<Message>()(
  'message_read',
  { userId: uuid, id: uuid, isQuestionOf: boolean },
  `
select ${SELECT_MESSAGE}
from messages
where user_id = :userId and id = case when :isQuestionOf then (select parent_id from messages where user_id = :userId and id = :id) else :id end`,
);

// Frees an idempotency key, unless it belongs to a turn.
export const RELEASE_KEY = statement<object>()(
  'turn_release_key',
  { userId: uuid, route: text, key: text },
  `
delete from idempotency_keys k
where k.user_id = :userId and k.route = :route and k.key = :key
  and not exists (select 1 from messages m where m.user_id = :userId and m.id = k.message_id)`,
);
