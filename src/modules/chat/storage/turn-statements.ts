import { settleTurn } from '../../limits/public/turn-limits.js';
import { insertEntries } from '../../usage/public/usage-recorder.js';
import { counted } from '../context/context-statements.js';
import { TURN_CHANNEL } from '../following/turn-notices.js';

/**
 * The SQL of a turn. Each statement is sent under a name, so PostgreSQL parses and plans it once a connection, and several
 * leave in one write (platform/database/pipeline.ts). `$1` is the tenant in all of them.
 */

const ANSWER_AND_CLAIM = `
  answer as (
    insert into messages (user_id, id, session_id, parent_id, path_length, seq, role, content, status)
    select $1, $3, s.id, s.question_id, s.path_length, s.last_seq, 'assistant', '', 'pending' from session s
  ), turn as (
    insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
    select $1, $3, s.id, s.last_seq, s.is_running, $4, $5,
      case when s.is_running then now() + $6 * interval '1 millisecond' else 'infinity' end, $7
    from session s
  )`;

const QUESTION = `
  question as (
    insert into messages
      (user_id, id, session_id, parent_id, path_length, seq, role, content, parts, content_tokens, sealed, status, completed_at)
    select $1, $9, s.id, s.parent_id, s.path_length - 1, s.last_seq - 1, 'user', $10, $11, $12, $15, 'completed', now()
    from session s
  )`;

// Others of the session are asked to stop when this one interrupts; a waiting one settles when its time comes.
const INTERRUPTED = `
  interrupted as (
    update turns t set stop_requested_at = coalesce(t.stop_requested_at, now())
    from session s
    where s.policy = 'interrupt' and t.user_id = $1 and t.session_id = s.id
    returning t.message_id, pg_notify('${TURN_CHANNEL}', 'stop ' || t.owner)
  )`;

const pathLengthOf = (id: string): string =>
  `coalesce((select m.path_length from messages m where m.user_id = $1 and m.id = ${id}), ${counted(id)}, 0)`;

/** The key of the project `p`, still encrypted; null when it has none. */
export const PROVIDER_KEY = `(
    select json_build_object('id', k.id, 'provider', k.provider, 'baseUrl', k.base_url,
      'sealedKey', encode(k.sealed_key, 'hex'))
    from provider_keys k where k.user_id = $1 and k.project_id = p.id
  ) as "providerKey"`;

/** The project `p` when what is said in it is stored encrypted. */
export const CONTENT_PROJECT = `case when p.is_content_encrypted then p.id end as "contentProjectId"`;

// $15, the sealed content, begins with the project whose key has sealed it. What is not as the project `p` wants it ends the
// whole transaction before a row is written: the key of the request is free again, and the error names the project. PostgreSQL
// may look at other projects of the user before it knows that they are not meant, so the condition says itself which one is.
const rightlySealed = (isMeant: string): string => `
    case when not ${isMeant} then false
      when coalesce(substring($15::bytea from 1 for 16), '') = case when p.is_content_encrypted then uuid_send(p.id) else '' end
      then true else refuse_content(p.id) end`;

const OPENED = `
  s.id as "sessionId", p.id as "projectId", s.question_id as "questionId", s.parent_id as "parentId", s.last_seq as seq, now() as "createdAt",
  s.is_running as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  p.context_overflow as "contextOverflow", ${CONTENT_PROJECT}, ${PROVIDER_KEY}`;

// True runs at once, false waits, null may do neither: then ck_turns_admitted refuses the whole transaction.
const IS_RUNNING = `
  case when not exists (select 1 from turns t where t.user_id = $1 and t.session_id = s.id) then true
    when coalesce($8, p.on_conflict) <> 'reject' then false end`;

// $2 session. Sent ahead of what opens a turn there, which then has a snapshot from after the wait: it sees what the turn
// that it waited for has left, and decides by that whether it runs, waits or is refused.
export const LOCK_SESSION = {
  name: 'turn_lock_session',
  text: `select from chat_sessions where user_id = $1 and id = $2 for update`,
};

// The same for $2 a message of the session.
export const LOCK_SESSION_OF = {
  name: 'turn_lock_session_of',
  text: `
select from chat_sessions
where user_id = $1 and id = (select session_id from messages where user_id = $1 and id = $2) for update`,
};

// $2 project, $3 answer, $4 claim, $5 owner, $6 lease, $7 request, $8 policy or null, $9 question, $10 content, $11 parts,
// $12 tokens, $13 session, $14 title, $15 sealed content. In a new session there is nobody to wait for, whatever the policy says.
export const OPEN_IN_NEW_SESSION = {
  name: 'turn_open_in_new_session',
  text: `
with project as (
  select * from projects p where p.user_id = $1 and p.id = $2 and ${rightlySealed('(p.id = $2)')}
), created as (
  insert into chat_sessions (user_id, id, project_id, title, last_seq, last_message_id)
  select $1, $13, id, $14, 2, $3 from project
  returning id, last_seq
), session as (
  select c.id, c.last_seq, $9::uuid as question_id, null::uuid as parent_id, ($8::text is null or true) as is_running,
    2 as path_length
  from created c
), ${QUESTION}, ${ANSWER_AND_CLAIM}
select ${OPENED}, null as interrupted from session s, project p`,
};

// As above, behind LOCK_SESSION; $16 whether the client named a parent, $17 that parent or null for the beginning.
export const OPEN_IN_SESSION = {
  name: 'turn_open_in_session',
  text: `
with place as (
  select s.id, s.last_message_id, coalesce($8, p.on_conflict) as policy, ${IS_RUNNING} as is_running,
    case when $16 then $17::uuid else s.last_message_id end as parent_id
  from chat_sessions s join projects p on p.user_id = $1 and p.id = s.project_id
  where s.user_id = $1 and s.id = $13 and ($2::uuid is null or s.project_id = $2)
    and (not $16 or $17::uuid is null or exists (
      select 1 from messages m where m.user_id = $1 and m.id = $17 and m.session_id = s.id and m.role = 'assistant'))
    and ${rightlySealed('(s.id = $13 and p.id = s.project_id)')}
), session as (
  update chat_sessions s
  set last_seq = s.last_seq + 2, last_message_id = $3, last_active_at = now(),
      is_branched = s.is_branched or p.parent_id is distinct from p.last_message_id,
      title = coalesce(s.title, case when s.last_seq = 0 then $14 end)
  from place p
  where s.user_id = $1 and s.id = p.id
  returning s.id, s.project_id, s.last_seq, $9::uuid as question_id, p.parent_id, p.policy, p.is_running,
    ${pathLengthOf('p.parent_id')} + 2 as path_length
), ${QUESTION}, ${ANSWER_AND_CLAIM}, ${INTERRUPTED}
select ${OPENED}, (select array_agg(i.message_id) from interrupted i) as interrupted
from session s join projects p on p.user_id = $1 and p.id = s.project_id`,
};

// $2 the message to answer anew, an answer or its question; behind LOCK_SESSION_OF.
export const OPEN_SIBLING = {
  name: 'turn_open_sibling',
  text: `
with place as (
  select s.id, case when m.role = 'user' then m.id else m.parent_id end as question_id,
    coalesce($8, p.on_conflict) as policy, ${IS_RUNNING} as is_running
  from messages m
  join chat_sessions s on s.user_id = $1 and s.id = m.session_id
  join projects p on p.user_id = $1 and p.id = s.project_id
  where m.user_id = $1 and m.id = $2
), session as (
  update chat_sessions s
  set last_seq = s.last_seq + 1, last_message_id = $3, last_active_at = now(), is_branched = true
  from place p
  where s.user_id = $1 and s.id = p.id
  returning s.id, s.project_id, s.last_seq, p.question_id, null::uuid as parent_id, p.policy, p.is_running,
    ${pathLengthOf('p.question_id')} + 1 as path_length
), ${ANSWER_AND_CLAIM}, ${INTERRUPTED}
select ${OPENED}, (select array_agg(i.message_id) from interrupted i) as interrupted
from session s join projects p on p.user_id = $1 and p.id = s.project_id`,
};

// $2 answer, $3 claim, then what it has become; $20 project, $21 its calls of providers as JSON, $22 how many tokens it has used,
// or null when none were charged. Whoever lost the claim changes nothing. What the answer costs is what its calls do, if that is
// known of each; a call that was refused at once, of which no tokens are known either, leaves the others' sum as it is. Also
// tells whether another turn of the session waits for this end.
export const CLOSE = {
  name: 'turn_close',
  text: `
with settled as materialized (
  select ${settleTurn({ answer: '$2', claim: '$3', tokens: '$22' })} where $22 is not null
), turn as (
  delete from turns t using (select count(*) from settled) s
  where t.user_id = $1 and t.message_id = $2 and t.claim_id = $3
  returning t.message_id, t.session_id, t.created_at as at
), entries as (${insertEntries({
    kind: "'answer'",
    revision: '0',
    project: '$20',
    session: 'b.session_id',
    calls: '$21',
    begun: 'turn',
  })}
  returning cost_micro_usd, status, input_tokens
)
update messages m
set status = $4, content = $5, content_tokens = $6, finish_reason = $7, provider = $8, model = $9, generation_id = $10,
    input_tokens = $11, output_tokens = $12, cached_input_tokens = $13, is_usage_estimated = $14, error_code = $15, attempt = $16,
    sealed = $17, context = $18, error_detail = $19, completed_at = now(), cost_micro_usd = (
      select case when bool_and(e.cost_micro_usd is not null or e.status = 'failed' and e.input_tokens is null)
        then sum(e.cost_micro_usd) end from entries e)
from turn t
where m.user_id = $1 and m.id = t.message_id
returning m.completed_at as "completedAt", m.cost_micro_usd::float8 as "costMicroUsd", exists (
  select 1 from turns w where w.user_id = $1 and w.session_id = t.session_id and not w.is_running) as "hasNext"`,
};

// $2 message: a row in the shape of the entity. $3: the question of that answer instead.
export const READ_MESSAGE = {
  name: 'message_read',
  text: `
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end`,
};

// $2 route, $3 key: unless it stands for a turn.
export const RELEASE_KEY = {
  name: 'turn_release_key',
  text: `
delete from idempotency_keys k
where k.user_id = $1 and k.route = $2 and k.key = $3
  and not exists (select 1 from messages m where m.user_id = $1 and m.id = k.message_id)`,
};
