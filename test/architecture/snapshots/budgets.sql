-- BudgetsRepository.hasProject
select from projects where user_id = $1 and id = $2;

-- BudgetsRepository.get
with now_spent as (
select coalesce(sum(e.cost_micro_usd) filter (where e.created_at >= date_trunc('day', now(), 'UTC')), 0) as day_spent,
  coalesce(sum(e.cost_micro_usd), 0) as month_spent
from usage_entries e
where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= date_trunc('month', now(), 'UTC')
), reserved as (
  select coalesce(sum(r.micro_usd), 0) as amount from budget_reservations r
  where r.user_id = $1 and ($2::uuid is null or r.project_id = $2)
)
select b.day_limit_micro_usd::float8 as "dayLimit", b.day_cap_micro_usd::float8 as "dayCap",
  b.month_limit_micro_usd::float8 as "monthLimit", b.month_cap_micro_usd::float8 as "monthCap",
  s.day_spent::float8 as "daySpent", s.month_spent::float8 as "monthSpent", r.amount::float8 as reserved,
  date_trunc('day', now(), 'UTC') + interval '1 day' as "dayRenewsAt",
  (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC' as "monthRenewsAt"
from now_spent s cross join reserved r
left join budgets b on b.user_id = $1 and b.project_id is not distinct from $2;

-- BudgetsRepository.putLimits
select from users where id = $1 for update;
insert into budgets (user_id, project_id, id, day, day_spent_micro_usd, month, month_spent_micro_usd)
select $1, $2, $3, (now() at time zone 'UTC')::date, s.day_spent,
  date_trunc('month', now() at time zone 'UTC')::date, s.month_spent
from (
select coalesce(sum(e.cost_micro_usd) filter (where e.created_at >= date_trunc('day', now(), 'UTC')), 0) as day_spent,
  coalesce(sum(e.cost_micro_usd), 0) as month_spent
from usage_entries e
where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= date_trunc('month', now(), 'UTC')) s
on conflict on constraint uq_budgets_project_id do nothing;

-- BudgetsRepository.putCaps
select from users where id = $1 for update;
insert into budgets (user_id, project_id, id, day, day_spent_micro_usd, month, month_spent_micro_usd)
select $1, $2, $3, (now() at time zone 'UTC')::date, s.day_spent,
  date_trunc('month', now() at time zone 'UTC')::date, s.month_spent
from (
select coalesce(sum(e.cost_micro_usd) filter (where e.created_at >= date_trunc('day', now(), 'UTC')), 0) as day_spent,
  coalesce(sum(e.cost_micro_usd), 0) as month_spent
from usage_entries e
where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= date_trunc('month', now(), 'UTC')) s
on conflict on constraint uq_budgets_project_id do nothing;

