-- EntriesRepository.listEstimated
begin; set local role parley_system;
select e.user_id as "userId", e.message_id as "messageId", e.project_id as "projectId", e.session_id as "sessionId", e.kind,
  e.attempt, e.provider, e.model, coalesce(e.asked_model, e.model) as "askedModel", e.status, e.input_tokens as "inputTokens", e.output_tokens as "outputTokens",
  e.cached_input_tokens as "cachedInputTokens", e.cost_micro_usd::float8 as "costMicroUsd", e.generation_id as "generationId"
from usage_entries e
where e.is_estimated and e.generation_id is not null and e.revision = 0 and not e.is_own_key and e.provider = $1
  and e.created_at > now() - interval '1 hour'
  and not exists (
    select 1 from usage_entries c where c.user_id = e.user_id and c.message_id = e.message_id and c.kind = e.kind
      and c.attempt = e.attempt and c.revision > 0)
order by e.created_at limit $2;
commit;

