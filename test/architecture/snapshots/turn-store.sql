-- TurnStore.open
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
insert into idempotency_keys (user_id, route, key, request_hash, message_id) values ($1, $2, $3, $4, $5);
with project as (
  select * from projects p where p.user_id = $1 and p.id = $2 and 
    case when not (p.id = $2) then false
      when coalesce(substring($15::bytea from 1 for 16), '') = case when p.is_content_encrypted then uuid_send(p.id) else '' end
      then true else refuse_content(p.id) end
), created as (
  insert into chat_sessions (user_id, id, project_id, title, last_seq, last_message_id)
  select $1, $13, id, $14, 2, $3 from project
  returning id, last_seq
), session as (
  select c.id, c.last_seq, $9::uuid as question_id, null::uuid as parent_id, ($8::text is null or true) as is_running,
    2 as path_length
  from created c
), 
  question as (
    insert into messages
      (user_id, id, session_id, parent_id, path_length, seq, role, content, parts, content_tokens, sealed, status, completed_at)
    select $1, $9, s.id, s.parent_id, s.path_length - 1, s.last_seq - 1, 'user', $10, $11, $12, $15, 'completed', now()
    from session s
  ), 
  answer as (
    insert into messages (user_id, id, session_id, parent_id, path_length, seq, role, content, status)
    select $1, $3, s.id, s.question_id, s.path_length, s.last_seq, 'assistant', '', 'pending' from session s
  ), turn as (
    insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
    select $1, $3, s.id, s.last_seq, s.is_running, $4, $5,
      case when s.is_running then now() + $6 * interval '1 millisecond' else 'infinity' end, $7
    from session s
  )
select 
  s.id as "sessionId", p.id as "projectId", s.question_id as "questionId", s.parent_id as "parentId", s.last_seq as seq, now() as "createdAt",
  s.is_running as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  p.context_overflow as "contextOverflow", case when p.is_content_encrypted then p.id end as "contentProjectId", (
    select json_build_object('id', k.id, 'provider', k.provider, 'baseUrl', k.base_url,
      'sealedKey', encode(k.sealed_key, 'hex'))
    from provider_keys k where k.user_id = $1 and k.project_id = p.id
  ) as "providerKey", null as interrupted from session s, project p;
with recursive session as (
  select s.id, s.project_id, s.is_branched, q.seq, q.parent_id, q.content_tokens,
    coalesce(q.path_length, (
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = $1 and m.id = q.id
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = $1 and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  )) - 1 as path_length,
    p.context_overflow, p.requests_per_minute, p.tokens_per_minute, (p.params ->> 'max_output_tokens')::int as output_tokens
  from messages q
  join chat_sessions s on s.user_id = $1 and s.id = q.session_id
  join projects p on p.user_id = $1 and p.id = s.project_id
  where q.user_id = $1 and q.id = $2
), path as (
  select m.*, 1 as depth from session s join messages m on m.user_id = $1 and m.id = s.parent_id
  where s.is_branched and $3 > 0
  union all
  select m.*, p.depth + 1 from path p join messages m on m.user_id = $1 and m.id = p.parent_id where p.depth < $3
), history as (
  select id, role, content, parts, sealed, content_tokens, depth as place from path
  union all
  select h.* from session s cross join lateral (
    select m.id, m.role, m.content, m.parts, m.sealed, m.content_tokens, -m.seq from messages m
    where m.user_id = $1 and m.session_id = s.id and m.seq < s.seq
    order by m.seq desc limit $3
  ) h where not s.is_branched
), counted as (
  select h.*, sum(coalesce(h.content_tokens, 0)) over (order by h.place) as total from history h
), stamp as (
  select coalesce(encode(sha256(convert_to(
    string_agg(concat_ws(' ', p.id, p.version, p.xmin), ',' order by p.position), 'UTF8')), 'base64'), '') as value
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
), summary as (
  select y.message_id as id, y.content, y.sealed, y.content_tokens, y.message_count
  from session s
  join session_summaries y on y.user_id = $1 and y.session_id = s.id and y.content is not null
  join history h on h.id = y.message_id
  where s.context_overflow = 'summarise'
  order by h.place limit 1
), context as (
  select null::uuid as id, 'stamp' as role, value as content, null::jsonb as parts, null::bytea as sealed,
    null::int as tokens, null::int as place
  from stamp where value is distinct from $5
  union all
  select null, 'system', p.content, null, null, p.content_tokens, p.position
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
  where (select value from stamp) is distinct from $5
  union all
  select id, role, content, parts, sealed, content_tokens, place from counted where total <= $4
  union all
  select id, 'summary', content, null, sealed, content_tokens, message_count from summary
  union all
  select null, 'path', '', null, null, null, path_length from session
), measured as (
  select coalesce(sum(tokens), 0) + 4 * (count(*) + 1) + 3 as tokens
  from context where role in ('user', 'assistant', 'summary')
)
select * from context
union all
select null, 'charged', '', charge_turn($1, $6, s.project_id, $8, $9, s.requests_per_minute, s.tokens_per_minute, coalesce(s.content_tokens, 0) + coalesce($10, s.output_tokens, $11)), null, null, null
from session s
union all
select null, 'reserved', '', r.warnings, null, null, null
from session s cross join measured m cross join lateral reserve_budgets($1, $6, $7, m.tokens) r;
commit;

-- TurnStore.open
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select from chat_sessions where user_id = $1 and id = $2 for update;
with place as (
  select s.id, s.last_message_id, coalesce($8, p.on_conflict) as policy, 
  case when not exists (select 1 from turns t where t.user_id = $1 and t.session_id = s.id) then true
    when coalesce($8, p.on_conflict) <> 'reject' then false end as is_running,
    case when $16 then $17::uuid else s.last_message_id end as parent_id
  from chat_sessions s join projects p on p.user_id = $1 and p.id = s.project_id
  where s.user_id = $1 and s.id = $13 and ($2::uuid is null or s.project_id = $2)
    and (not $16 or $17::uuid is null or exists (
      select 1 from messages m where m.user_id = $1 and m.id = $17 and m.session_id = s.id and m.role = 'assistant'))
    and 
    case when not (s.id = $13 and p.id = s.project_id) then false
      when coalesce(substring($15::bytea from 1 for 16), '') = case when p.is_content_encrypted then uuid_send(p.id) else '' end
      then true else refuse_content(p.id) end
), session as (
  update chat_sessions s
  set last_seq = s.last_seq + 2, last_message_id = $3, last_active_at = now(),
      is_branched = s.is_branched or p.parent_id is distinct from p.last_message_id,
      title = coalesce(s.title, case when s.last_seq = 0 then $14 end)
  from place p
  where s.user_id = $1 and s.id = p.id
  returning s.id, s.project_id, s.last_seq, $9::uuid as question_id, p.parent_id, p.policy, p.is_running,
    coalesce((select m.path_length from messages m where m.user_id = $1 and m.id = p.parent_id), (
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = $1 and m.id = p.parent_id
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = $1 and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  ), 0) + 2 as path_length
), 
  question as (
    insert into messages
      (user_id, id, session_id, parent_id, path_length, seq, role, content, parts, content_tokens, sealed, status, completed_at)
    select $1, $9, s.id, s.parent_id, s.path_length - 1, s.last_seq - 1, 'user', $10, $11, $12, $15, 'completed', now()
    from session s
  ), 
  answer as (
    insert into messages (user_id, id, session_id, parent_id, path_length, seq, role, content, status)
    select $1, $3, s.id, s.question_id, s.path_length, s.last_seq, 'assistant', '', 'pending' from session s
  ), turn as (
    insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
    select $1, $3, s.id, s.last_seq, s.is_running, $4, $5,
      case when s.is_running then now() + $6 * interval '1 millisecond' else 'infinity' end, $7
    from session s
  ), 
  interrupted as (
    update turns t set stop_requested_at = coalesce(t.stop_requested_at, now())
    from session s
    where s.policy = 'interrupt' and t.user_id = $1 and t.session_id = s.id
    returning t.message_id, pg_notify('parley_turns', 'stop ' || t.owner)
  )
select 
  s.id as "sessionId", p.id as "projectId", s.question_id as "questionId", s.parent_id as "parentId", s.last_seq as seq, now() as "createdAt",
  s.is_running as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  p.context_overflow as "contextOverflow", case when p.is_content_encrypted then p.id end as "contentProjectId", (
    select json_build_object('id', k.id, 'provider', k.provider, 'baseUrl', k.base_url,
      'sealedKey', encode(k.sealed_key, 'hex'))
    from provider_keys k where k.user_id = $1 and k.project_id = p.id
  ) as "providerKey", (select array_agg(i.message_id) from interrupted i) as interrupted
from session s join projects p on p.user_id = $1 and p.id = s.project_id;
with recursive session as (
  select s.id, s.project_id, s.is_branched, q.seq, q.parent_id, q.content_tokens,
    coalesce(q.path_length, (
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = $1 and m.id = q.id
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = $1 and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  )) - 1 as path_length,
    p.context_overflow, p.requests_per_minute, p.tokens_per_minute, (p.params ->> 'max_output_tokens')::int as output_tokens
  from messages q
  join chat_sessions s on s.user_id = $1 and s.id = q.session_id
  join projects p on p.user_id = $1 and p.id = s.project_id
  where q.user_id = $1 and q.id = $2
), path as (
  select m.*, 1 as depth from session s join messages m on m.user_id = $1 and m.id = s.parent_id
  where s.is_branched and $3 > 0
  union all
  select m.*, p.depth + 1 from path p join messages m on m.user_id = $1 and m.id = p.parent_id where p.depth < $3
), history as (
  select id, role, content, parts, sealed, content_tokens, depth as place from path
  union all
  select h.* from session s cross join lateral (
    select m.id, m.role, m.content, m.parts, m.sealed, m.content_tokens, -m.seq from messages m
    where m.user_id = $1 and m.session_id = s.id and m.seq < s.seq
    order by m.seq desc limit $3
  ) h where not s.is_branched
), counted as (
  select h.*, sum(coalesce(h.content_tokens, 0)) over (order by h.place) as total from history h
), stamp as (
  select coalesce(encode(sha256(convert_to(
    string_agg(concat_ws(' ', p.id, p.version, p.xmin), ',' order by p.position), 'UTF8')), 'base64'), '') as value
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
), summary as (
  select y.message_id as id, y.content, y.sealed, y.content_tokens, y.message_count
  from session s
  join session_summaries y on y.user_id = $1 and y.session_id = s.id and y.content is not null
  join history h on h.id = y.message_id
  where s.context_overflow = 'summarise'
  order by h.place limit 1
), context as (
  select null::uuid as id, 'stamp' as role, value as content, null::jsonb as parts, null::bytea as sealed,
    null::int as tokens, null::int as place
  from stamp where value is distinct from $5
  union all
  select null, 'system', p.content, null, null, p.content_tokens, p.position
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
  where (select value from stamp) is distinct from $5
  union all
  select id, role, content, parts, sealed, content_tokens, place from counted where total <= $4
  union all
  select id, 'summary', content, null, sealed, content_tokens, message_count from summary
  union all
  select null, 'path', '', null, null, null, path_length from session
), measured as (
  select coalesce(sum(tokens), 0) + 4 * (count(*) + 1) + 3 as tokens
  from context where role in ('user', 'assistant', 'summary')
)
select * from context
union all
select null, 'charged', '', charge_turn($1, $6, s.project_id, $8, $9, s.requests_per_minute, s.tokens_per_minute, coalesce(s.content_tokens, 0) + coalesce($10, s.output_tokens, $11)), null, null, null
from session s
union all
select null, 'reserved', '', r.warnings, null, null, null
from session s cross join measured m cross join lateral reserve_budgets($1, $6, $7, m.tokens) r;
commit;

-- TurnStore.openSibling
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select from chat_sessions
where user_id = $1 and id = (select session_id from messages where user_id = $1 and id = $2) for update;
with place as (
  select s.id, case when m.role = 'user' then m.id else m.parent_id end as question_id,
    coalesce($8, p.on_conflict) as policy, 
  case when not exists (select 1 from turns t where t.user_id = $1 and t.session_id = s.id) then true
    when coalesce($8, p.on_conflict) <> 'reject' then false end as is_running
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
    coalesce((select m.path_length from messages m where m.user_id = $1 and m.id = p.question_id), (
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = $1 and m.id = p.question_id
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = $1 and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  ), 0) + 1 as path_length
), 
  answer as (
    insert into messages (user_id, id, session_id, parent_id, path_length, seq, role, content, status)
    select $1, $3, s.id, s.question_id, s.path_length, s.last_seq, 'assistant', '', 'pending' from session s
  ), turn as (
    insert into turns (user_id, message_id, session_id, seq, is_running, claim_id, owner, lease_until, request)
    select $1, $3, s.id, s.last_seq, s.is_running, $4, $5,
      case when s.is_running then now() + $6 * interval '1 millisecond' else 'infinity' end, $7
    from session s
  ), 
  interrupted as (
    update turns t set stop_requested_at = coalesce(t.stop_requested_at, now())
    from session s
    where s.policy = 'interrupt' and t.user_id = $1 and t.session_id = s.id
    returning t.message_id, pg_notify('parley_turns', 'stop ' || t.owner)
  )
select 
  s.id as "sessionId", p.id as "projectId", s.question_id as "questionId", s.parent_id as "parentId", s.last_seq as seq, now() as "createdAt",
  s.is_running as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  p.context_overflow as "contextOverflow", case when p.is_content_encrypted then p.id end as "contentProjectId", (
    select json_build_object('id', k.id, 'provider', k.provider, 'baseUrl', k.base_url,
      'sealedKey', encode(k.sealed_key, 'hex'))
    from provider_keys k where k.user_id = $1 and k.project_id = p.id
  ) as "providerKey", (select array_agg(i.message_id) from interrupted i) as interrupted
from session s join projects p on p.user_id = $1 and p.id = s.project_id;
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
with recursive session as (
  select s.id, s.project_id, s.is_branched, q.seq, q.parent_id, q.content_tokens,
    coalesce(q.path_length, (
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = $1 and m.id = q.id
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = $1 and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  )) - 1 as path_length,
    p.context_overflow, p.requests_per_minute, p.tokens_per_minute, (p.params ->> 'max_output_tokens')::int as output_tokens
  from messages q
  join chat_sessions s on s.user_id = $1 and s.id = q.session_id
  join projects p on p.user_id = $1 and p.id = s.project_id
  where q.user_id = $1 and q.id = (select a.parent_id from messages a where a.user_id = $1 and a.id = $2)
), path as (
  select m.*, 1 as depth from session s join messages m on m.user_id = $1 and m.id = s.parent_id
  where s.is_branched and $3 > 0
  union all
  select m.*, p.depth + 1 from path p join messages m on m.user_id = $1 and m.id = p.parent_id where p.depth < $3
), history as (
  select id, role, content, parts, sealed, content_tokens, depth as place from path
  union all
  select h.* from session s cross join lateral (
    select m.id, m.role, m.content, m.parts, m.sealed, m.content_tokens, -m.seq from messages m
    where m.user_id = $1 and m.session_id = s.id and m.seq < s.seq
    order by m.seq desc limit $3
  ) h where not s.is_branched
), counted as (
  select h.*, sum(coalesce(h.content_tokens, 0)) over (order by h.place) as total from history h
), stamp as (
  select coalesce(encode(sha256(convert_to(
    string_agg(concat_ws(' ', p.id, p.version, p.xmin), ',' order by p.position), 'UTF8')), 'base64'), '') as value
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
), summary as (
  select y.message_id as id, y.content, y.sealed, y.content_tokens, y.message_count
  from session s
  join session_summaries y on y.user_id = $1 and y.session_id = s.id and y.content is not null
  join history h on h.id = y.message_id
  where s.context_overflow = 'summarise'
  order by h.place limit 1
), context as (
  select null::uuid as id, 'stamp' as role, value as content, null::jsonb as parts, null::bytea as sealed,
    null::int as tokens, null::int as place
  from stamp where value is distinct from $5
  union all
  select null, 'system', p.content, null, null, p.content_tokens, p.position
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
  where (select value from stamp) is distinct from $5
  union all
  select id, role, content, parts, sealed, content_tokens, place from counted where total <= $4
  union all
  select id, 'summary', content, null, sealed, content_tokens, message_count from summary
  union all
  select null, 'path', '', null, null, null, path_length from session
), measured as (
  select coalesce(sum(tokens), 0) + 4 * (count(*) + 1) + 3 as tokens
  from context where role in ('user', 'assistant', 'summary')
)
select * from context
union all
select null, 'charged', '', charge_turn($1, $6, s.project_id, $8, $9, s.requests_per_minute, s.tokens_per_minute, coalesce(s.content_tokens, 0) + coalesce($10, s.output_tokens, $11)), null, null, null
from session s
union all
select null, 'reserved', '', r.warnings, null, null, null
from session s cross join measured m cross join lateral reserve_budgets($1, $6, $7, m.tokens) r;
commit;

-- TurnStore.reopen
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select m.session_id as "sessionId", p.id as "projectId", m.parent_id as "questionId", null::uuid as "parentId", m.seq,
  m.created_at as "createdAt", true as "isRunning", p.provider, p.model, p.fallbacks, p.params, p.on_crash as "onCrash",
  exists (select 1 from budget_reservations r where r.user_id = $1 and r.message_id = $2) as "isBudgeted",
  p.context_overflow as "contextOverflow", case when p.is_content_encrypted then p.id end as "contentProjectId", (
    select json_build_object('id', k.id, 'provider', k.provider, 'baseUrl', k.base_url,
      'sealedKey', encode(k.sealed_key, 'hex'))
    from provider_keys k where k.user_id = $1 and k.project_id = p.id
  ) as "providerKey", m.id as "messageId", c.*
from messages m
join chat_sessions s on s.user_id = $1 and s.id = m.session_id
join projects p on p.user_id = $1 and p.id = s.project_id
cross join 
lateral (
  select string_agg(c.text, '' order by c.start_offset) as text,
    array_agg(c.sealed order by c.start_offset) filter (where c.sealed is not null) as "sealedText",
    array_agg(c.start_offset order by c.start_offset) as "sealedAt", min(c.attempt) as "sealedAttempt"
  from turn_chunks c
  where c.user_id = $1 and c.message_id = $2 and c.attempt = (select max(l.attempt) from turn_chunks l where l.user_id = $1 and l.message_id = $2) and c.start_offset >= 0
) c
where m.user_id = $1 and m.id = $2 and exists (
  select 1 from turns t where t.user_id = $1 and t.message_id = $2 and t.claim_id = $3);
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
with recursive session as (
  select s.id, s.project_id, s.is_branched, q.seq, q.parent_id, q.content_tokens,
    coalesce(q.path_length, (
    with recursive up as (
      select m.parent_id, m.path_length, 1 as steps from messages m where m.user_id = $1 and m.id = q.id
      union all
      select m.parent_id, m.path_length, u.steps + 1 from up u join messages m on m.user_id = $1 and m.id = u.parent_id
      where u.path_length is null
    )
    select max(steps) + coalesce(max(path_length) - 1, 0) from up
  )) - 1 as path_length,
    p.context_overflow, p.requests_per_minute, p.tokens_per_minute, (p.params ->> 'max_output_tokens')::int as output_tokens
  from messages q
  join chat_sessions s on s.user_id = $1 and s.id = q.session_id
  join projects p on p.user_id = $1 and p.id = s.project_id
  where q.user_id = $1 and q.id = (select a.parent_id from messages a where a.user_id = $1 and a.id = $2)
), path as (
  select m.*, 1 as depth from session s join messages m on m.user_id = $1 and m.id = s.parent_id
  where s.is_branched and $3 > 0
  union all
  select m.*, p.depth + 1 from path p join messages m on m.user_id = $1 and m.id = p.parent_id where p.depth < $3
), history as (
  select id, role, content, parts, sealed, content_tokens, depth as place from path
  union all
  select h.* from session s cross join lateral (
    select m.id, m.role, m.content, m.parts, m.sealed, m.content_tokens, -m.seq from messages m
    where m.user_id = $1 and m.session_id = s.id and m.seq < s.seq
    order by m.seq desc limit $3
  ) h where not s.is_branched
), counted as (
  select h.*, sum(coalesce(h.content_tokens, 0)) over (order by h.place) as total from history h
), stamp as (
  select coalesce(encode(sha256(convert_to(
    string_agg(concat_ws(' ', p.id, p.version, p.xmin), ',' order by p.position), 'UTF8')), 'base64'), '') as value
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
), summary as (
  select y.message_id as id, y.content, y.sealed, y.content_tokens, y.message_count
  from session s
  join session_summaries y on y.user_id = $1 and y.session_id = s.id and y.content is not null
  join history h on h.id = y.message_id
  where s.context_overflow = 'summarise'
  order by h.place limit 1
), context as (
  select null::uuid as id, 'stamp' as role, value as content, null::jsonb as parts, null::bytea as sealed,
    null::int as tokens, null::int as place
  from stamp where value is distinct from $5
  union all
  select null, 'system', p.content, null, null, p.content_tokens, p.position
  from session s join prompts p on p.user_id = $1 and p.project_id = s.project_id
  where (select value from stamp) is distinct from $5
  union all
  select id, role, content, parts, sealed, content_tokens, place from counted where total <= $4
  union all
  select id, 'summary', content, null, sealed, content_tokens, message_count from summary
  union all
  select null, 'path', '', null, null, null, path_length from session
)
select * from context;
commit;

-- TurnStore.close
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with settled as materialized (
  select settle_turn($1, $2, $3, $22) where $22 is not null
), turn as (
  delete from turns t using (select count(*) from settled) s
  where t.user_id = $1 and t.message_id = $2 and t.claim_id = $3
  returning t.message_id, t.session_id, t.created_at as at
), entries as (
  insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model,
    asked_model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version,
    cost_micro_usd, generation_id, raw_usage)
  select $1, $2, 'answer', c.attempt, 0, $20, b.session_id, c.provider, c.model, c."askedModel", c."isOwnKey",
    c.status, c."inputTokens", c."outputTokens", c."cachedInputTokens", c."isEstimated", p.version,
    coalesce(c."costMicroUsd", ceil((
      greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
      + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
      + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
  from turn b, jsonb_to_recordset($21) as c (attempt int, provider text, model text, "askedModel" text,
    "isOwnKey" boolean, status text, "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean,
    "costMicroUsd" bigint, "generationId" text, "rawUsage" jsonb)
  left join lateral (
    select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd
    from unnest(array[c.model, regexp_replace(c.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''), c."askedModel", regexp_replace(c."askedModel", '-(\d{4}-\d{2}-\d{2}|\d{8})$', '')]) with ordinality as n (model, rank) join prices l on l.model = n.model
    where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    order by n.rank, l.valid_from desc limit 1
  ) p on true
  on conflict do nothing
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
  select 1 from turns w where w.user_id = $1 and w.session_id = t.session_id and not w.is_running) as "hasNext";
commit;

-- TurnStore.close
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with settled as materialized (
  select settle_turn($1, $2, $3, $22) where $22 is not null
), turn as (
  delete from turns t using (select count(*) from settled) s
  where t.user_id = $1 and t.message_id = $2 and t.claim_id = $3
  returning t.message_id, t.session_id, t.created_at as at
), entries as (
  insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model,
    asked_model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version,
    cost_micro_usd, generation_id, raw_usage)
  select $1, $2, 'answer', c.attempt, 0, $20, b.session_id, c.provider, c.model, c."askedModel", c."isOwnKey",
    c.status, c."inputTokens", c."outputTokens", c."cachedInputTokens", c."isEstimated", p.version,
    coalesce(c."costMicroUsd", ceil((
      greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
      + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
      + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
  from turn b, jsonb_to_recordset($21) as c (attempt int, provider text, model text, "askedModel" text,
    "isOwnKey" boolean, status text, "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean,
    "costMicroUsd" bigint, "generationId" text, "rawUsage" jsonb)
  left join lateral (
    select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd
    from unnest(array[c.model, regexp_replace(c.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''), c."askedModel", regexp_replace(c."askedModel", '-(\d{4}-\d{2}-\d{2}|\d{8})$', '')]) with ordinality as n (model, rank) join prices l on l.model = n.model
    where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    order by n.rank, l.valid_from desc limit 1
  ) p on true
  on conflict do nothing
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
  select 1 from turns w where w.user_id = $1 and w.session_id = t.session_id and not w.is_running) as "hasNext";
commit;

-- TurnStore.findMessage
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
commit;

-- TurnStore.findSettled
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
commit;

-- TurnStore.releaseKey
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
delete from idempotency_keys k
where k.user_id = $1 and k.route = $2 and k.key = $3
  and not exists (select 1 from messages m where m.user_id = $1 and m.id = k.message_id);
commit;

-- TurnStore.findTurn
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
commit;

-- TurnStore.readProgress
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select t.attempt, t.owner, t.message_id as "messageId", c.*
from turns t cross join 
lateral (
  select string_agg(c.text, '' order by c.start_offset) as text,
    array_agg(c.sealed order by c.start_offset) filter (where c.sealed is not null) as "sealedText",
    array_agg(c.start_offset order by c.start_offset) as "sealedAt", min(c.attempt) as "sealedAttempt"
  from turn_chunks c
  where c.user_id = $1 and c.message_id = $2 and c.attempt = t.attempt and c.start_offset >= case when t.attempt = $3 then $4 else 0 end
) c
where t.user_id = $1 and t.message_id = $2;
select user_id as "userId", id, session_id as "sessionId", parent_id as "parentId", path_length as "pathLength", seq, role, content, parts,
  content_tokens as "contentTokens", status, attempt, finish_reason as "finishReason", provider, model,
  generation_id as "generationId", input_tokens as "inputTokens", output_tokens as "outputTokens",
  cached_input_tokens as "cachedInputTokens", is_usage_estimated as "isUsageEstimated",
  cost_micro_usd::float8 as "costMicroUsd", error_code as "errorCode", error_detail as "errorDetail", context,
  feedback_rating as "feedbackRating", feedback_comment as "feedbackComment", sealed, sealed_comment as "sealedComment",
  created_at as "createdAt", completed_at as "completedAt"
from messages
where user_id = $1 and id = case when $3 then (select parent_id from messages where user_id = $1 and id = $2) else $2 end;
commit;

