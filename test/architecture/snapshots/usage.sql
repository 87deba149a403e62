-- UsageRepository.sum
with entries as (
  select e.*, to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, exists (
    select 1 from usage_entries c where c.user_id = $1 and c.message_id = e.message_id and c.kind = e.kind
      and c.attempt = e.attempt and c.revision > e.revision and c.cost_micro_usd is not null) as is_corrected
  from usage_entries e
  where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= $3 and e.created_at < $4
)
select grouping(day) > 0 as "isTotal", day as day, null as provider, null as model,
  null as "projectId", count(*) filter (where revision = 0)::int as calls,
  sum(input_tokens)::float8 as "inputTokens", sum(cached_input_tokens)::float8 as "cachedInputTokens",
  sum(output_tokens)::float8 as "outputTokens", sum(cost_micro_usd)::float8 as "costMicroUsd",
  count(*) filter (where revision = 0 and cost_micro_usd is null and not is_corrected)::int as "callsWithoutCost"
from entries group by grouping sets ((day), ()) order by 1, day;

-- UsageRepository.sum
with entries as (
  select e.*, to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, exists (
    select 1 from usage_entries c where c.user_id = $1 and c.message_id = e.message_id and c.kind = e.kind
      and c.attempt = e.attempt and c.revision > e.revision and c.cost_micro_usd is not null) as is_corrected
  from usage_entries e
  where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= $3 and e.created_at < $4
)
select grouping(provider, model) > 0 as "isTotal", null as day, provider as provider, model as model,
  null as "projectId", count(*) filter (where revision = 0)::int as calls,
  sum(input_tokens)::float8 as "inputTokens", sum(cached_input_tokens)::float8 as "cachedInputTokens",
  sum(output_tokens)::float8 as "outputTokens", sum(cost_micro_usd)::float8 as "costMicroUsd",
  count(*) filter (where revision = 0 and cost_micro_usd is null and not is_corrected)::int as "callsWithoutCost"
from entries group by grouping sets ((provider, model), ()) order by 1, provider, model;

-- UsageRepository.sum
with entries as (
  select e.*, to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, exists (
    select 1 from usage_entries c where c.user_id = $1 and c.message_id = e.message_id and c.kind = e.kind
      and c.attempt = e.attempt and c.revision > e.revision and c.cost_micro_usd is not null) as is_corrected
  from usage_entries e
  where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= $3 and e.created_at < $4
)
select grouping(project_id) > 0 as "isTotal", null as day, null as provider, null as model,
  project_id as "projectId", count(*) filter (where revision = 0)::int as calls,
  sum(input_tokens)::float8 as "inputTokens", sum(cached_input_tokens)::float8 as "cachedInputTokens",
  sum(output_tokens)::float8 as "outputTokens", sum(cost_micro_usd)::float8 as "costMicroUsd",
  count(*) filter (where revision = 0 and cost_micro_usd is null and not is_corrected)::int as "callsWithoutCost"
from entries group by grouping sets ((project_id), ()) order by 1, project_id;

