-- AdminRepository.usage
begin; set local role parley_system;
select u.id as "userId", u.email, m.*
from (select id, email from users where $1::uuid is null or id < $1 order by id desc limit $2) u
cross join lateral (
  select count(*)::int as turns, sum(input_tokens)::float8 as "inputTokens", sum(output_tokens)::float8 as "outputTokens",
    sum(cost_micro_usd)::float8 as "costMicroUsd",
    count(*) filter (where cost_micro_usd is null)::int as "turnsWithoutCost"
  from messages where user_id = u.id and role = 'assistant' and id >= $3 and id < $4
) m
order by u.id desc;
commit;

