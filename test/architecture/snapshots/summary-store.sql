-- SummaryStore.findAged
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with recursive path as (
  select m.id, m.parent_id, m.content_tokens, 1 as place, y.content as summary, y.sealed, y.content_tokens as summary_tokens,
    y.message_count
  from messages m
  left join session_summaries y on y.user_id = $1 and y.message_id = m.id and y.content is not null
  where m.user_id = $1 and m.id = $2
  union all
  select m.id, m.parent_id, m.content_tokens, p.place + 1, y.content, y.sealed, y.content_tokens, y.message_count
  from path p join messages m on m.user_id = $1 and m.id = p.parent_id
  left join session_summaries y on y.user_id = $1 and y.message_id = m.id and y.content is not null
  where p.summary is null
), counted as (
  select id, place, (place + 1) / 2 as turn, sum(coalesce(content_tokens, 0) + 4) over (order by (place + 1) / 2) as newer,
    sum(coalesce(content_tokens, 0) + 4) over (order by (place + 1) / 2 desc) as older
  from path where summary is null
), aged as (
  select id, place, turn, older, max(turn) over () as oldest, count(*) over () as count
  from counted where newer > $3 or turn * 2 > $4
)
select id, 'summary' as role, summary as content, sealed, summary_tokens as tokens, message_count::int as count, place
from path where summary is not null
union all
select m.id, m.role, m.content, m.sealed, m.content_tokens, a.count::int, a.place
from aged a join messages m on m.user_id = $1 and m.id = a.id
where a.older <= $5 or a.turn = a.oldest
order by place desc;
commit;

-- SummaryStore.claim
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with session as (
  select id from chat_sessions where user_id = $1 and id = $3 for key share
)
insert into session_summaries (user_id, message_id, session_id, claimed_until)
select $1, $2, id, now() + $4 * interval '1 millisecond' from session
on conflict (user_id, message_id) do update set claimed_until = excluded.claimed_until
where session_summaries.content is null and session_summaries.claimed_until < now()
returning message_id;
commit;

-- SummaryStore.save
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
update session_summaries set content = $3, sealed = $4, content_tokens = $5, message_count = $6, created_at = now()
where user_id = $1 and message_id = $2 and content is null
returning message_id;
commit;

