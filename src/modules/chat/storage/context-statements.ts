import { int, nullable, statement, text, uuid } from '../../../platform/database/statement.js';
import { chargeTurn } from '../../limits/public/turn-limits.js';
import { reserveBudgets } from '../../usage/public/budgets.js';
import { PER_ANSWER, PER_MESSAGE } from '../turn.js';
import type { ContextRow } from './turn-rows.js';

// The number of messages on the path to a message. Messages from before the column `path_length` are counted, up to the
// first one that has the number.
export const counted = (id: string): string => `(
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = :userId and m.id = ${id}
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = :userId and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  )`;

// Reads the prompts and the history before the question, limited by messages and tokens. It runs after OPEN has locked
// the session, with a snapshot of its own, so it sees every earlier turn. Only in a branched session does it walk from
// child to parent; otherwise the path is a range of the index. PostgreSQL stores long messages outside of the row, so
// messages that are only counted are not read. `place` is the order: prompts ascending, history newest first. If the
// project wants summaries, the newest summary on the part that was read is returned too, with the number of messages
// that it replaces. Also returns the number of messages before the question, read or not. The prompts and their stamp
// are returned only if the given stamp is not the current one. A stamp identifies each prompt's row by its version and
// by the transaction that wrote it.
const context = (questionId: string): string => `
with recursive session as (
  select s.id, s.project_id, s.is_branched, q.seq, q.parent_id, q.content_tokens,
    coalesce(q.path_length, ${counted('q.id')}) - 1 as path_length,
    p.context_overflow, p.requests_per_minute, p.tokens_per_minute, (p.params ->> 'max_output_tokens')::int as output_tokens
  from messages q
  join chat_sessions s on s.user_id = :userId and s.id = q.session_id
  join projects p on p.user_id = :userId and p.id = s.project_id
  where q.user_id = :userId and q.id = ${questionId}
), path as (
  select m.*, 1 as depth from session s join messages m on m.user_id = :userId and m.id = s.parent_id
  where s.is_branched and :historyMessages > 0
  union all
  select m.*, p.depth + 1 from path p join messages m on m.user_id = :userId and m.id = p.parent_id where p.depth < :historyMessages
), history as (
  select id, role, content, parts, sealed, content_tokens, depth as place from path
  union all
  select h.* from session s cross join lateral (
    select m.id, m.role, m.content, m.parts, m.sealed, m.content_tokens, -m.seq from messages m
    where m.user_id = :userId and m.session_id = s.id and m.seq < s.seq
    order by m.seq desc limit :historyMessages
  ) h where not s.is_branched
), counted as (
  select h.*, sum(coalesce(h.content_tokens, 0)) over (order by h.place) as total from history h
), stamp as (
  select coalesce(encode(sha256(convert_to(
    string_agg(concat_ws(' ', p.id, p.version, p.xmin), ',' order by p.position), 'UTF8')), 'base64'), '') as value
  from session s join prompts p on p.user_id = :userId and p.project_id = s.project_id
), summary as (
  select y.message_id as id, y.content, y.sealed, y.content_tokens, y.message_count
  from session s
  join session_summaries y on y.user_id = :userId and y.session_id = s.id and y.content is not null
  join history h on h.id = y.message_id
  where s.context_overflow = 'summarise'
  order by h.place limit 1
), context as (
  select null::uuid as id, 'stamp' as role, value as content, null::jsonb as parts, null::bytea as sealed,
    null::int as tokens, null::int as place
  from stamp where value is distinct from :stamp
  union all
  select null, 'system', p.content, null, null, p.content_tokens, p.position
  from session s join prompts p on p.user_id = :userId and p.project_id = s.project_id
  where (select value from stamp) is distinct from :stamp
  union all
  select id, role, content, parts, sealed, content_tokens, place from counted where total <= :contextTokens
  union all
  select id, 'summary', content, null, sealed, content_tokens, message_count from summary
  union all
  select null, 'path', '', null, null, null, path_length from session
)`;

// The possible cost of the turn is known here, so the turn is charged to the limits and its worst case is reserved in
// the budgets. The size of the history is counted as in the context builder. The limits come first, as in CLOSE: both
// lock rows that all turns of a user share.
const ADMITTED = `, measured as (
  select coalesce(sum(tokens), 0) + ${PER_MESSAGE} * (count(*) + 1) + ${PER_ANSWER} as tokens
  from context where role in ('user', 'assistant', 'summary')
)
select * from context
union all
select null, 'charged', '', ${chargeTurn({
  answer: ':answerId',
  apiKey: ':apiKeyId',
  defaultPlan: ':defaultPlan',
  projectId: 's.project_id',
  projectLimits: 's.requests_per_minute, s.tokens_per_minute',
  tokens: 'coalesce(s.content_tokens, 0) + coalesce(:maxOutputTokens, s.output_tokens, :usualOutputTokens)',
})}, null, null, null
from session s
union all
select null, 'reserved', '', r.warnings, null, null, null
from session s cross join measured m cross join lateral ${reserveBudgets({ answer: ':answerId', rules: ':budgetRules', contextTokens: 'm.tokens' })} r`;

const QUESTION_OF = '(select a.parent_id from messages a where a.user_id = :userId and a.id = :messageId)';

const READ_VALUES = {
  userId: uuid,
  messageId: uuid,
  historyMessages: int,
  contextTokens: int,
  /** The stamp of the prompts in the instance's cache. */
  stamp: nullable(text),
};

const ADMIT_VALUES = {
  ...READ_VALUES,
  answerId: uuid,
  budgetRules: text,
  apiKeyId: nullable(uuid),
  /** The plan of users without a plan of their own. */
  defaultPlan: text,
  maxOutputTokens: nullable(int),
  usualOutputTokens: int,
};

// Takes the id of the question.
export const ADMIT = statement<ContextRow>()('turn_admit', ADMIT_VALUES, context(':messageId') + ADMITTED);

// Takes the id of the answer.
export const ADMIT_ANSWER = statement<ContextRow>()('turn_admit_answer', ADMIT_VALUES, context(QUESTION_OF) + ADMITTED);

// Takes the id of an answer that was admitted before.
export const READ_CONTEXT = statement<ContextRow>()(
  'turn_read_context',
  READ_VALUES,
  `${context(QUESTION_OF)}
select * from context`,
);
