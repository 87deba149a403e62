-- AdminRepository.usage
begin; set local role parley_system;
select u.id as "userId", u.email, m.*
from (select id, email from users where $1::uuid is null or id < $1 order by id desc limit $2) u
cross join lateral (
  select count(distinct message_id)::int as turns, sum(input_tokens)::float8 as "inputTokens", sum(output_tokens)::float8 as "outputTokens",
    sum(cost_micro_usd)::float8 as "costMicroUsd",
    count(distinct message_id) filter (where cost_micro_usd is null)::int as "turnsWithoutCost"
  from usage_entries where user_id = u.id and created_at >= $3 and created_at < $4
) m
order by u.id desc;
commit;

