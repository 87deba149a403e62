import { bytea, int, nullable, statement, text, uuid } from '../../../platform/database/statement.js';

/** A message to be summarised, or the summary of the messages before it. */
export interface AgedRow {
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'summary';
  readonly content: string;
  readonly tokens: number | null;
  readonly count: number;
}

/** The SQL of summaries. `:userId` is the tenant in all of them. */

// Reads the part of a path that is due to be summarised. The path ends with an answer, the leaf. `keptTokens` and
// `keptMessages` say how much at its end is left alone. At most `readTokens` are read, but always the oldest turn. The
// walk from child to parent ends at the newest summary or at the beginning. Returns that summary and the turns after
// it, oldest first, with the number of messages that are due. Counted from the leaf, every two messages are a turn, and
// turns are never split. Only the text of the returned messages is read.
export const READ_AGED = statement<AgedRow>()(
  'summary_read_aged',
  { userId: uuid, leafId: uuid, keptTokens: int, keptMessages: int, readTokens: int },
  `
with recursive path as (
  select m.id, m.parent_id, m.content_tokens, 1 as place, y.content as summary, y.sealed, y.content_tokens as summary_tokens,
    y.message_count
  from messages m
  left join session_summaries y on y.user_id = :userId and y.message_id = m.id and y.content is not null
  where m.user_id = :userId and m.id = :leafId
  union all
  select m.id, m.parent_id, m.content_tokens, p.place + 1, y.content, y.sealed, y.content_tokens, y.message_count
  from path p join messages m on m.user_id = :userId and m.id = p.parent_id
  left join session_summaries y on y.user_id = :userId and y.message_id = m.id and y.content is not null
  where p.summary is null
), counted as (
  select id, place, (place + 1) / 2 as turn, sum(coalesce(content_tokens, 0) + 4) over (order by (place + 1) / 2) as newer,
    sum(coalesce(content_tokens, 0) + 4) over (order by (place + 1) / 2 desc) as older
  from path where summary is null
), aged as (
  select id, place, turn, older, max(turn) over () as oldest, count(*) over () as count
  from counted where newer > :keptTokens or turn * 2 > :keptMessages
)
select id, 'summary' as role, summary as content, sealed, summary_tokens as tokens, message_count::int as count, place
from path where summary is not null
union all
select m.id, m.role, m.content, m.sealed, m.content_tokens, a.count::int, a.place
from aged a join messages m on m.user_id = :userId and m.id = a.id
where a.older <= :readTokens or a.turn = a.oldest
order by place desc`,
);

// Locks the session first, in the same order as its deletion does.
export const CLAIM_SUMMARY = statement<{ message_id: string }>()(
  'summary_claim',
  { userId: uuid, messageId: uuid, sessionId: uuid, leaseMs: int },
  `
with session as (
  select id from chat_sessions where user_id = :userId and id = :sessionId for key share
)
insert into session_summaries (user_id, message_id, session_id, claimed_until)
select :userId, :messageId, id, now() + :leaseMs * interval '1 millisecond' from session
on conflict (user_id, message_id) do update set claimed_until = excluded.claimed_until
where session_summaries.content is null and session_summaries.claimed_until < now()
returning message_id`,
);

// Returns no row when another instance has saved one already, or when the session is gone.
export const SAVE_SUMMARY = statement<{ message_id: string }>()(
  'summary_save',
  { userId: uuid, messageId: uuid, content: text, sealed: nullable(bytea), contentTokens: int, messageCount: int },
  `
update session_summaries set content = :content, sealed = :sealed, content_tokens = :contentTokens, message_count = :messageCount, created_at = now()
where user_id = :userId and message_id = :messageId and content is null
returning message_id`,
);
