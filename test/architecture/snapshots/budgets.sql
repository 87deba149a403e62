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

-- BudgetsRepository.readRoom
with worst as (
  select (
    select ceil(($5::bigint * l.input_micro_usd + $6::bigint * l.output_micro_usd)::numeric / 1000000) from prices l
    where l.provider = $3 and l.valid_from <= now()
      and l.model in ($4, regexp_replace($4, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''))
    order by l.model = $4 desc, l.valid_from desc limit 1
  ) as micro_usd, (now() at time zone 'UTC')::date as day, date_trunc('month', now() at time zone 'UTC')::date as month
), free as (
  select least(
    least(b.day_limit_micro_usd, b.day_cap_micro_usd) - case when b.day = w.day then b.day_spent_micro_usd else 0 end,
    least(b.month_limit_micro_usd, b.month_cap_micro_usd) - case when b.month = w.month then b.month_spent_micro_usd else 0 end
  ) - (
    select coalesce(sum(r.micro_usd), 0) from budget_reservations r
    where r.user_id = $1 and (b.project_id is null or r.project_id = b.project_id)
  ) as micro_usd
  from budgets b cross join worst w
  where b.user_id = $1 and (b.project_id is null or b.project_id = $2)
)
select (select min(f.micro_usd) from free f)::float8 as free, w.micro_usd::float8 as worst from worst w;

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

