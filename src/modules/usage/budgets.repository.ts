import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { onlyRow } from '../../platform/database/only-row.js';
import { int, nullable, statement, text, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { BudgetState, Limits } from './budget-state.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

nameConstraints({
  ck_budgets_kept: 'quota_exceeded',
  ck_budgets_priced: 'price_unknown',
  fk_budgets_project_id: 'not_found',
  fk_budgets_user_id: 'unauthenticated',
});

interface BudgetRow {
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

/** The worst case of a model call, in tokens. */
export interface WorstCase {
  readonly provider: string;
  readonly model: string;
  readonly inputTokens: number;
  readonly outputTokens: number;
}

/**
 * The free amount in the fullest budget, null when no budget applies; and the possible cost of a call, null without a
 * price.
 */
interface Room {
  readonly free: number | null;
  readonly worst: number | null;
}

// Looks up the price in the same way as reserve_budgets.
const READ_ROOM = statement<Room>()(
  'budgets_read_room',
  { userId: uuid, projectId: uuid, provider: text, model: text, inputTokens: int, outputTokens: int },
  `
with worst as (
  select (
    select ceil((:inputTokens::bigint * l.input_micro_usd + :outputTokens::bigint * l.output_micro_usd)::numeric / 1000000) from prices l
    where l.provider = :provider and l.valid_from <= now()
      and l.model in (:model, regexp_replace(:model, '-(\\d{4}-\\d{2}-\\d{2}|\\d{8})$', ''))
    order by l.model = :model desc, l.valid_from desc limit 1
  ) as micro_usd, (now() at time zone 'UTC')::date as day, date_trunc('month', now() at time zone 'UTC')::date as month
), free as (
  select least(
    least(b.day_limit_micro_usd, b.day_cap_micro_usd) - case when b.day = w.day then b.day_spent_micro_usd else 0 end,
    least(b.month_limit_micro_usd, b.month_cap_micro_usd) - case when b.month = w.month then b.month_spent_micro_usd else 0 end
  ) - (
    select coalesce(sum(r.micro_usd), 0) from budget_reservations r
    where r.user_id = :userId and (b.project_id is null or r.project_id = b.project_id)
  ) as micro_usd
  from budgets b cross join worst w
  where b.user_id = :userId and (b.project_id is null or b.project_id = :projectId)
)
select (select min(f.micro_usd) from free f)::float8 as free, w.micro_usd::float8 as worst from worst w`,
);

// The amounts spent since the beginning of the day and of the month, of a project or, without one, of the account.
const SPENT = `
select coalesce(sum(e.cost_micro_usd) filter (where e.created_at >= date_trunc('day', now(), 'UTC')), 0) as day_spent,
  coalesce(sum(e.cost_micro_usd), 0) as month_spent
from usage_entries e
where e.user_id = :userId and (:projectId::uuid is null or e.project_id = :projectId) and e.created_at >= date_trunc('month', now(), 'UTC')`;

const GET = statement<BudgetRow>()(
  'budgets_get',
  { userId: uuid, projectId: nullable(uuid) },
  `with now_spent as (${SPENT}
), reserved as (
  select coalesce(sum(r.micro_usd), 0) as amount from budget_reservations r
  where r.user_id = :userId and (:projectId::uuid is null or r.project_id = :projectId)
)
select b.day_limit_micro_usd::float8 as "dayLimit", b.day_cap_micro_usd::float8 as "dayCap",
  b.month_limit_micro_usd::float8 as "monthLimit", b.month_cap_micro_usd::float8 as "monthCap",
  s.day_spent::float8 as "daySpent", s.month_spent::float8 as "monthSpent", r.amount::float8 as reserved,
  date_trunc('day', now(), 'UTC') + interval '1 day' as "dayRenewsAt",
  (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC' as "monthRenewsAt"
from now_spent s cross join reserved r
left join budgets b on b.user_id = :userId and b.project_id is not distinct from :projectId`,
);

const PUT_LIMITS = statement<object>()(
  'budgets_put_limits',
  { userId: uuid, projectId: nullable(uuid), day: nullable(int), month: nullable(int) },
  `update budgets set day_limit_micro_usd = :day, month_limit_micro_usd = :month
       where user_id = :userId and project_id is not distinct from :projectId`,
);

const PUT_CAPS = statement<object>()(
  'budgets_put_caps',
  { userId: uuid, day: nullable(int), month: nullable(int) },
  'update budgets set day_cap_micro_usd = :day, month_cap_micro_usd = :month where user_id = :userId and project_id is null',
);

const LOCK_USER = statement<object>()(
  'budgets_lock_user',
  { userId: uuid },
  'select from users where id = :userId for update',
);

const INSERT_ONCE = statement<object>()(
  'budgets_insert_once',
  { userId: uuid, projectId: nullable(uuid), id: uuid },
  `insert into budgets (user_id, project_id, id, day, day_spent_micro_usd, month, month_spent_micro_usd)
       select :userId, :projectId, :id, (now() at time zone 'UTC')::date, s.day_spent,
         date_trunc('month', now() at time zone 'UTC')::date, s.month_spent
       from (${SPENT}) s
       on conflict on constraint uq_budgets_project_id do nothing`,
);

@Injectable()
export class BudgetsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** The budget of a project; null: of the account. */
  async get(userId: string, projectId: string | null): Promise<BudgetState> {
    const { reserved, ...state } = onlyRow(await this.unitOfWork.query(GET({ userId, projectId })));
    return {
      reserved,
      day: { limit: state.dayLimit, cap: state.dayCap, spent: state.daySpent, renewsAt: state.dayRenewsAt },
      month: { limit: state.monthLimit, cap: state.monthCap, spent: state.monthSpent, renewsAt: state.monthRenewsAt },
    };
  }

  /**
   * The free amount in the budgets that apply to a project, null when none applies; and the possible cost of the call,
   * null without a price.
   */
  async readRoom(userId: string, projectId: string, call: WorstCase): Promise<Room> {
    const { provider, model, inputTokens, outputTokens } = call;
    const values = { userId, projectId, provider, model, inputTokens, outputTokens };
    return onlyRow(await this.unitOfWork.query(READ_ROOM(values)));
  }

  /**
   * Sets the limits of a project, or of the account for a null `projectId`; a null limit means none. A new budget
   * starts with the amounts of the ledger. It waits for transactions that have written to the ledger and not committed,
   * and later ones wait for it, so no turn is missed or counted twice.
   */
  async putLimits(userId: string, projectId: string | null, { day, month }: Limits): Promise<void> {
    await this.insertOnce(userId, projectId);
    await this.unitOfWork.query(PUT_LIMITS({ userId, projectId, day, month }));
  }

  /** Sets the admin's caps for an account; null means no cap. */
  async putCaps(userId: string, { day, month }: Limits): Promise<void> {
    await this.insertOnce(userId, null);
    await this.unitOfWork.query(PUT_CAPS({ userId, day, month }));
  }

  private async insertOnce(userId: string, projectId: string | null): Promise<void> {
    await this.unitOfWork.query(LOCK_USER({ userId }));
    await this.unitOfWork.query(INSERT_ONCE({ userId, projectId, id: newId() }));
  }
}
