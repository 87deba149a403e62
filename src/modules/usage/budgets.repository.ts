import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { BudgetState, Limits } from './budget-state.js';

interface Row {
  readonly dayLimit: number | null;
  readonly dayCap: number | null;
  readonly daySpent: number;
  readonly dayRenewsAt: Date;
  readonly monthLimit: number | null;
  readonly monthCap: number | null;
  readonly monthSpent: number;
  readonly monthRenewsAt: Date;
  readonly reserved: number;
}

/** A call of a model at its worst; tokens. */
export interface WorstCase {
  readonly provider: string;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

// $1 user, $2 project, $3 provider, $4 model, $5 input, $6 output tokens: what is free in the budget that has least of it, null
// where none applies, and what the call may cost. The price is found as in reserve_budgets.
const ROOM = `
with worst as (
  select (
    select ceil(($5::bigint * l.input_micro_usd + $6::bigint * l.output_micro_usd)::numeric / 1000000) from prices l
    where l.provider = $3 and l.valid_from <= now()
      and l.model in ($4, regexp_replace($4, '-(\\d{4}-\\d{2}-\\d{2}|\\d{8})$', ''))
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
select (select min(f.micro_usd) from free f)::float8 as free, w.micro_usd::float8 as worst from worst w`;

// $1 user, $2 project or null for the account: what was spent since the beginning of the day and of the month.
const SPENT = `
select coalesce(sum(e.cost_micro_usd) filter (where e.created_at >= date_trunc('day', now(), 'UTC')), 0) as day_spent,
  coalesce(sum(e.cost_micro_usd), 0) as month_spent
from usage_entries e
where e.user_id = $1 and ($2::uuid is null or e.project_id = $2) and e.created_at >= date_trunc('month', now(), 'UTC')`;

@Injectable()
export class BudgetsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** The budget of a project, or with null the account's. */
  async get(userId: string, projectId: string | null): Promise<BudgetState> {
    const [row] = await this.unitOfWork.query<Row>(
      `with now_spent as (${SPENT}
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
left join budgets b on b.user_id = $1 and b.project_id is not distinct from $2`,
      [userId, projectId],
    );
    const { reserved, ...state } = row as Row;
    return {
      reserved,
      day: { limit: state.dayLimit, cap: state.dayCap, spent: state.daySpent, renewsAt: state.dayRenewsAt },
      month: { limit: state.monthLimit, cap: state.monthCap, spent: state.monthSpent, renewsAt: state.monthRenewsAt },
    };
  }

  /** What is free in the budgets that apply in a project, null where none does; and what the call may cost, null without a price. */
  async findRoom(
    userId: string,
    projectId: string,
    { provider, model, inputTokens, outputTokens }: WorstCase,
  ): Promise<{ free: number | null; worst: number | null }> {
    const values = [userId, projectId, provider, model, inputTokens, outputTokens];
    const [row] = await this.unitOfWork.query<{ free: number | null; worst: number | null }>(ROOM, values);
    return row as { free: number | null; worst: number | null };
  }

  /**
   * Sets the limits of a project, or with null the account's; null is none. A new budget begins with what the ledger says:
   * so that no turn settles between the two, it waits for those that have written and not committed, and they for it.
   */
  async putLimits(userId: string, projectId: string | null, { day, month }: Limits): Promise<void> {
    await this.ensure(userId, projectId);
    await this.unitOfWork.query(
      `update budgets set day_limit_micro_usd = $3, month_limit_micro_usd = $4
       where user_id = $1 and project_id is not distinct from $2`,
      [userId, projectId, day, month],
    );
  }

  /** Sets what admins allow an account at most; null is anything. */
  async putCaps(userId: string, { day, month }: Limits): Promise<void> {
    await this.ensure(userId, null);
    await this.unitOfWork.query(
      'update budgets set day_cap_micro_usd = $2, month_cap_micro_usd = $3 where user_id = $1 and project_id is null',
      [userId, day, month],
    );
  }

  private async ensure(userId: string, projectId: string | null): Promise<void> {
    await this.unitOfWork.query('select from users where id = $1 for update', [userId]);
    await this.unitOfWork.query(
      `insert into budgets (user_id, project_id, id, day, day_spent_micro_usd, month, month_spent_micro_usd)
       select $1, $2, $3, (now() at time zone 'UTC')::date, s.day_spent,
         date_trunc('month', now() at time zone 'UTC')::date, s.month_spent
       from (${SPENT}) s
       on conflict on constraint uq_budgets_project_id do nothing`,
      [userId, projectId, newId()],
    );
  }
}
