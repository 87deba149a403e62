import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Budgets: what an account or one of its projects may cost in a day and in a month (UTC), in millionths of a US dollar.
 * The row with the limits also holds what is spent of the running day and month; a day that is over counts as nothing
 * spent. `cap_…` is set by admins alone: the smaller of limit and cap holds.
 *
 * `budget_reservations` holds the worst case of every turn that runs or waits. A reservation hangs below its turn, so it
 * ends with it, however that ends: settled, or deleted with its session. It is seen from every project, as the account's
 * budget is shared by all of them, and holds ids and amounts only.
 */
export class Budgets1765010000000 implements MigrationInterface {
  name = 'Budgets1765010000000';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [TABLES, RESERVE, ISOLATION]) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop function reserve_budgets');
    await runner.query('drop table budget_reservations, budgets');
  }
}

const TABLES = `
create table budgets (
  user_id uuid not null,
  id uuid not null,
  project_id uuid,
  day_limit_micro_usd bigint,
  month_limit_micro_usd bigint,
  day_cap_micro_usd bigint,
  month_cap_micro_usd bigint,
  day date not null,
  day_spent_micro_usd bigint not null,
  month date not null,
  month_spent_micro_usd bigint not null,
  constraint pk_budgets primary key (user_id, id),
  constraint uq_budgets_project_id unique nulls not distinct (user_id, project_id),
  constraint fk_budgets_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint fk_budgets_project_id foreign key (user_id, project_id)
    references projects (user_id, id) on delete cascade,
  constraint ck_budgets_limits check (
    day_limit_micro_usd >= 0 and month_limit_micro_usd >= 0 and day_cap_micro_usd >= 0 and month_cap_micro_usd >= 0),
  constraint ck_budgets_caps check (project_id is null or (day_cap_micro_usd is null and month_cap_micro_usd is null))
) with (fillfactor = 50);

create table budget_reservations (
  user_id uuid not null,
  message_id uuid not null,
  project_id uuid not null,
  micro_usd bigint not null,
  constraint pk_budget_reservations primary key (user_id, message_id),
  constraint fk_budget_reservations_message_id foreign key (user_id, message_id)
    references turns (user_id, message_id) on delete cascade,
  constraint ck_budget_reservations_micro_usd check (micro_usd >= 0)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000)`;

// Called once the turn is stored, as the last of OPEN. Budgets are locked first, the account's before the project's, as
// whoever settles does; each statement inside then sees what those before it have left. A turn that waits is counted with
// the largest context, because what will have been said until its time comes is not known yet. What is over budget is
// refused with a SQLSTATE of our own, and with what a client should know of it as JSON in the detail.
const RESERVE = `
create function reserve_budgets(tenant uuid, answer uuid, rules jsonb) returns table (warnings jsonb)
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
      coalesce(nullif(current_setting('app.context_tokens', true), '')::bigint, 0) + (
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

const PROJECT = `(select nullif(current_setting('app.project_id', true), '')::uuid)`;

const ISOLATION = ['budgets', 'budget_reservations']
  .map(
    (table) => `
alter table ${table} enable row level security, force row level security;
create policy tenant on ${table} to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
grant select, insert, update, delete on ${table} to parley_app`,
  )
  .concat(
    `create policy project on budgets as restrictive to parley_app
       using (${PROJECT} is null or project_id is null or project_id = ${PROJECT})`,
  )
  .join(';');
