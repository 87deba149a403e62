import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Fewer statements a turn. `charge_turn` and `reserve_budgets` are called by the statement that reads the context, which
 * knows the project with its limits, the size of the question and that of the context: so they need not look for them, and
 * nothing goes through a setting. And whatever is written to the ledger is taken from the budgets by a trigger: no writer
 * can forget it, and one without a budget pays for one look at an index.
 *
 * The functions that know less stay for instances of the version before, until a later migration drops them. What these
 * settle meanwhile counts twice in a budget, until its day and month are over.
 */
export class TurnStatements1765200000000 implements MigrationInterface {
  name = 'TurnStatements1765200000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [CHARGE_TURN, RESERVE, SPEND]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
drop trigger spend on usage_entries;
drop function spend_entries;
drop function reserve_budgets(uuid, uuid, jsonb, bigint);
drop function ${CHARGE_TURN_SIGNATURE}`);
  }
}

const CHARGE_TURN_SIGNATURE = 'charge_turn(uuid, uuid, uuid, uuid, text, integer, integer, integer)';

// As before, but for what it is told: the project with its limits, and what the turn is likely to use.
const CHARGE_TURN = `
create function charge_turn(
  tenant uuid, answer uuid, project uuid, api_key uuid, default_plan text, project_requests integer, project_tokens integer,
  cost integer
) returns jsonb language plpgsql as $$
declare
  found_limits record;
  charged jsonb;
  is_refused boolean;
  metered uuid[];
begin
  select coalesce(u.requests_per_minute, d.requests_per_minute) as user_requests, k.requests_per_minute as key_requests,
    coalesce(u.tokens_per_minute, d.tokens_per_minute) as user_tokens, k.tokens_per_minute as key_tokens
  into found_limits
  from users u
  left join plans d on d.name = coalesce(u.plan, default_plan)
  left join api_keys k on k.user_id = tenant and k.id = api_key
  where u.id = tenant;
  if not found or num_nonnulls(found_limits.user_requests, found_limits.user_tokens, project_requests, project_tokens,
    found_limits.key_requests, found_limits.key_tokens) = 0
  then
    return null;
  end if;
  with taken as (
    insert into turn_buckets as b (user_id, subject_id, unit, size, full_at)
    select tenant, l.subject_id, l.unit, l.size, clock_timestamp() + make_interval(secs => case
      when l.unit = 'requests' then 60::float8 / l.size else 60::float8 * least(cost, l.size) / l.size end)
    from (values
      (tenant, 'requests', found_limits.user_requests), (tenant, 'tokens', found_limits.user_tokens),
      (project, 'requests', project_requests),
      (project, 'tokens', project_tokens),
      (api_key, 'requests', found_limits.key_requests), (api_key, 'tokens', found_limits.key_tokens)
    ) l (subject_id, unit, size)
    where l.size is not null
    order by l.subject_id, l.unit
    on conflict on constraint pk_turn_buckets do update set
      size = excluded.size,
      full_at = greatest(b.full_at, clock_timestamp()) + make_interval(secs => case
        when b.unit = 'requests' then 60::float8 / excluded.size
        else 60::float8 * least(cost, excluded.size) / excluded.size end)
    returning b.subject_id, b.unit, b.size, extract(epoch from b.full_at - clock_timestamp())::float8 as full_in,
      case when b.unit = 'requests' then 60::float8 / b.size else 60::float8 * least(cost, b.size) / b.size end as due
  )
  select jsonb_agg(jsonb_build_object(
      'name', case t.subject_id when tenant then 'user-' when api_key then 'key-' else 'project-' end || t.unit,
      'limit', t.size, 'fullIn', t.full_in, 'due', t.due)),
    bool_or(t.full_in > 60.001), array_agg(t.subject_id) filter (where t.unit = 'tokens')
  into charged, is_refused, metered
  from taken t;
  if is_refused then
    raise check_violation using message = 'too many turns or tokens', constraint = 'ck_turn_buckets_filled',
      detail = charged::text;
  end if;
  if metered is not null then
    update turns set taken_tokens = cost, taken_from = metered where user_id = tenant and message_id = answer;
  end if;
  return charged;
end $$;
revoke execute on function ${CHARGE_TURN_SIGNATURE} from public;
grant execute on function ${CHARGE_TURN_SIGNATURE} to parley_app`;

// As before, but for what it is told: the size of the context.
const RESERVE = `
create function reserve_budgets(tenant uuid, answer uuid, rules jsonb, context_tokens bigint) returns table (warnings jsonb)
language plpgsql as $$
declare
  today constant date := (now() at time zone 'UTC')::date;
  asked record;
  budget record;
  one record;
  held bigint;
  amount bigint;
  is_known boolean;
  told jsonb := '[]';
begin
  if not exists (select 1 from budgets b where b.user_id = tenant) then return; end if;
  select s.project_id, p.fallbacks, coalesce(k.provider, p.provider, rules ->> 'provider') as provider,
    coalesce(t.request ->> 'model', p.model,
      rules -> 'models' ->> replace(coalesce(k.provider, p.provider, rules ->> 'provider'), 'custom', 'openai')) as model,
    coalesce(t.request -> 'params' ->> 'max_output_tokens', p.params ->> 'max_output_tokens', rules ->> 'outputTokens')::bigint
      as output_tokens,
    case when t.is_running then least(
      context_tokens + (
        select q.content_tokens from messages a join messages q on q.user_id = tenant and q.id = a.parent_id
        where a.user_id = tenant and a.id = answer) + (
        select coalesce(sum(c.content_tokens + (rules ->> 'tokensPerPrompt')::int), 0) from prompts c
        where c.user_id = tenant and c.project_id = p.id),
      (rules ->> 'contextTokens')::bigint) else (rules ->> 'contextTokens')::bigint end as input_tokens
  into asked
  from turns t
  join chat_sessions s on s.user_id = tenant and s.id = t.session_id
  join projects p on p.user_id = tenant and p.id = s.project_id
  left join provider_keys k on k.user_id = tenant and k.project_id = p.id
  where t.user_id = tenant and t.message_id = answer;
  if not found then return; end if;
  -- What comes after may want the user as a parent of its rows; whoever makes a budget has the user first, and then it.
  perform 1 from users u where u.id = tenant for key share;
  for budget in
    select b.project_id,
      case when b.project_id is null then 'account' else 'project' end as scope,
      least(b.month_limit_micro_usd, b.month_cap_micro_usd) as month_limit,
      case when b.month = date_trunc('month', today)::date then b.month_spent_micro_usd else 0 end as month_spent,
      least(b.day_limit_micro_usd, b.day_cap_micro_usd) as day_limit,
      case when b.day = today then b.day_spent_micro_usd else 0 end as day_spent
    from budgets b
    where b.user_id = tenant and (b.project_id is null or b.project_id = asked.project_id)
    order by b.project_id nulls first for no key update
  loop
    continue when budget.month_limit is null and budget.day_limit is null;
    if amount is null then
      -- The dearest of those that may come to answer.
      select coalesce(max(worst), 0), bool_and(worst is not null) into amount, is_known
      from (
        select asked.provider, asked.model
        union all
        select f ->> 'provider', coalesce(f ->> 'model', rules -> 'models' ->> (f ->> 'provider'))
        from jsonb_array_elements(asked.fallbacks) f
      ) as candidate (provider, model)
      left join lateral (
        select ceil((asked.input_tokens * c.input_micro_usd + asked.output_tokens * c.output_micro_usd)::numeric / 1000000) as worst
        from prices c
        where c.provider = candidate.provider and c.valid_from <= now()
          and c.model in (candidate.model, regexp_replace(candidate.model, '-(\\d{4}-\\d{2}-\\d{2}|\\d{8})$', ''))
        order by c.model = candidate.model desc, c.valid_from desc limit 1
      ) price on true;
      if not is_known and not (rules ->> 'takesUnpriced')::boolean then
        raise exception 'no price of the model' using errcode = 'PY422', constraint = 'ck_budgets_priced';
      end if;
    end if;
    select coalesce(sum(r.micro_usd), 0) into held from budget_reservations r
    where r.user_id = tenant and (budget.project_id is null or r.project_id = budget.project_id);
    for one in
      select * from (values
        ('month', budget.month_limit, budget.month_spent, date_trunc('month', today) + interval '1 month'),
        ('day', budget.day_limit, budget.day_spent, today + interval '1 day')
      ) as period (name, most, spent, renews)
      where most is not null
    loop
      if one.spent + held + amount > one.most then
        raise exception 'over budget' using errcode = 'PY402', constraint = 'ck_budgets_kept', detail = json_build_object(
          'detail', format('The %s''s budget for the %s is %s micro-dollars: %s are spent, running turns may take %s, this one %s.',
            budget.scope, one.name, one.most, one.spent, held, amount),
          'extensions', json_build_object('budget', budget.scope, 'period', one.name,
            'renews_at', to_char(one.renews, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')),
          'retryAfterSeconds', case
            when amount > one.most then null
            when one.spent + amount <= one.most then 10
            else ceil(extract(epoch from one.renews - (now() at time zone 'UTC')))::int end);
      end if;
      if (one.spent + held + amount) * 5 >= one.most * 4 then
        told := told || jsonb_build_object('budget', budget.scope, 'period', one.name, 'limit', one.most,
          'used', one.spent + held + amount);
      end if;
    end loop;
  end loop;
  if amount is null then return; end if;
  insert into budget_reservations (user_id, message_id, project_id, micro_usd)
  values (tenant, answer, asked.project_id, amount);
  return query select told;
end $$`;

// Adds what a statement has written to the ledger to the budgets, which are locked as a reservation does: the account's first.
// It runs after the entries' foreign key, which has waited for whoever is making a budget and counting what was spent before;
// so it sees that budget.
const SPEND = `
create function spend_entries() returns trigger language plpgsql as $$
declare
  today constant date := (now() at time zone 'UTC')::date;
  this_month constant date := date_trunc('month', today)::date;
begin
  perform from budgets b
  where exists (select from entries e where e.user_id = b.user_id and (b.project_id is null or b.project_id = e.project_id))
  order by b.user_id, b.project_id nulls first for no key update;
  if not found then
    return null;
  end if;
  update budgets b
  set day = greatest(b.day, today), month = greatest(b.month, this_month),
    day_spent_micro_usd = case when b.day >= today then b.day_spent_micro_usd else 0 end
      + case when b.day <= today then s.cost else 0 end,
    month_spent_micro_usd = case when b.month >= this_month then b.month_spent_micro_usd else 0 end
      + case when b.month <= this_month then s.cost else 0 end
  from (
    select k.user_id, k.id, sum(e.cost_micro_usd) as cost
    from entries e join budgets k on k.user_id = e.user_id and (k.project_id is null or k.project_id = e.project_id)
    group by k.user_id, k.id
  ) s
  where b.user_id = s.user_id and b.id = s.id and s.cost <> 0;
  return null;
end $$;
create trigger spend after insert on usage_entries referencing new table as entries
  for each statement execute function spend_entries()`;
