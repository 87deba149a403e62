import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import type { AuditAction } from '../../platform/audit/audit-actions.js';
import type { AuditFacts } from '../../platform/audit/audit-chain.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { AccountAccess } from '../auth/public/account-access.js';
import { type MinuteLimits, type NamedPlan, Plans } from '../limits/public/plans.js';
import { Budgets, type BudgetState, type Limits } from '../usage/public/budgets.js';
import {
  type AccountFilter,
  type AccountLimits,
  type AccountRow,
  UserAdministration,
} from '../users/public/user-administration.js';
import { AdminRepository, type UsageRow } from './admin.repository.js';

export type { UsageRow };

/** The limits that an admin set for an account, and the limits that apply as a result. */
export type AccountLimitsRow = AccountLimits & { readonly inForce: NamedPlan };

/**
 * The actions of admins. Each action is recorded before the response: in the admin's audit log, and in the audit log of
 * the user concerned.
 */
@Injectable()
export class AdminService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly accounts: UserAdministration,
    private readonly access: AccountAccess,
    private readonly plans: Plans,
    private readonly usages: AdminRepository,
    private readonly budgets: Budgets,
    private readonly audit: AuditLog,
  ) {}

  /** Throws `admin_required`. */
  async requireAdmin(actor: Actor): Promise<void> {
    await this.unitOfWork.run(actor, () => this.accounts.requireAdmin(actor.userId));
  }

  /** Newest first. Reads one row more than `limit` when there is a next page. */
  async listUsers(actor: Actor, filter: AccountFilter, beforeId: string | null, limit: number): Promise<AccountRow[]> {
    const by = Object.entries(filter).flatMap(([name, value]) => (value === null ? [] : [name]));
    await this.unitOfWork.run(actor, () => this.audit.record(actor, 'admin.users_listed', { by }));
    return this.accounts.list(filter, beforeId, limit + 1);
  }

  getUser(actor: Actor, userId: string): Promise<AccountRow> {
    return this.unitOfWork.run(actor, async () => {
      const account = await this.accountOf(userId);
      await this.record(actor, userId, 'admin.user_read');
      return account;
    });
  }

  /** Refuses new sign-ins, and ends access on every instance within seconds. */
  disable(actor: Actor, userId: string): Promise<AccountRow> {
    if (userId === actor.userId) throw new AppError('own_account');
    return this.change(actor, userId, 'admin.user_disabled', async () => {
      await this.accounts.setDisabled(userId, true);
      await this.access.close(userId);
    });
  }

  enable(actor: Actor, userId: string): Promise<AccountRow> {
    return this.change(actor, userId, 'admin.user_enabled', async () => {
      await this.accounts.setDisabled(userId, false);
      await this.access.open(userId);
    });
  }

  getLimits(actor: Actor, userId: string): Promise<AccountLimitsRow> {
    return this.unitOfWork.run(actor, async () => {
      const account = await this.accountOf(userId);
      await this.record(actor, userId, 'admin.user_read');
      return this.withPlan(account);
    });
  }

  /** Takes effect with the next turn of the user. */
  async setLimits(actor: Actor, userId: string, limits: AccountLimits): Promise<AccountLimitsRow> {
    const set = async (): Promise<void> => {
      if (limits.plan !== null && (await this.plans.find(limits.plan)) === null)
        throw AppError.invalid('/plan', 'must be the name of a plan');
      await this.accounts.setLimits(userId, limits);
    };
    const facts = { plan: limits.plan, ...factsOf(limits) };
    const account = await this.change(actor, userId, 'admin.user_limits_changed', set, facts);
    return this.unitOfWork.run(actor, () => this.withPlan(account));
  }

  listPlans(actor: Actor): Promise<NamedPlan[]> {
    return this.unitOfWork.run(actor, async () => {
      await this.audit.record(actor, 'admin.plans_listed');
      return this.plans.list();
    });
  }

  putPlan(actor: Actor, plan: NamedPlan): Promise<NamedPlan> {
    return this.unitOfWork.run(actor, async () => {
      await this.accounts.requireOnlyAdmin(actor.userId);
      await this.plans.put(plan);
      await this.audit.record(actor, 'admin.plan_changed', { plan: plan.name, ...factsOf(plan) });
      return plan;
    });
  }

  /** One row per user, newest account first. Reads one row more than `limit` when there is a next page. */
  async usage(actor: Actor, from: Date, to: Date, beforeUserId: string | null, limit: number): Promise<UsageRow[]> {
    const range = { from: from.toISOString(), to: to.toISOString() };
    await this.unitOfWork.run(actor, () => this.audit.record(actor, 'admin.usage_read', range));
    return this.usages.usage(from, to, beforeUserId, limit + 1);
  }

  getBudget(actor: Actor, userId: string): Promise<BudgetState> {
    return this.unitOfWork.run(actor, async () => {
      await this.accountOf(userId);
      const budget = await this.unitOfWork.switchTo({ userId }, () => this.budgets.ofAccount(userId));
      await this.record(actor, userId, 'admin.budget_read');
      return budget;
    });
  }

  /** Sets the most that an account may spend, whatever limits its user sets. */
  capBudget(actor: Actor, userId: string, caps: Limits): Promise<BudgetState> {
    return this.unitOfWork.run(actor, async () => {
      await this.accountOf(userId);
      const budget = await this.unitOfWork.switchTo({ userId }, async () => {
        await this.budgets.setCaps(userId, caps);
        return this.budgets.ofAccount(userId);
      });
      await this.record(actor, userId, 'admin.budget_capped');
      return budget;
    });
  }

  private change(
    actor: Actor,
    userId: string,
    action: AuditAction,
    change: () => Promise<void>,
    facts: AuditFacts = {},
  ): Promise<AccountRow & AccountLimits> {
    return this.unitOfWork.run(actor, async () => {
      // Check again under a lock: when two admins disable each other at once, the second is no longer an admin.
      await this.accounts.requireOnlyAdmin(actor.userId);
      await this.accountOf(userId);
      await this.unitOfWork.switchTo({ userId }, change);
      const account = await this.accountOf(userId);
      await this.record(actor, userId, action, facts);
      return account;
    });
  }

  private accountOf(userId: string): Promise<AccountRow & AccountLimits> {
    return this.unitOfWork.switchTo({ userId }, () => this.accounts.get(userId));
  }

  private async withPlan({ plan, requestsPerMinute, tokensPerMinute }: AccountLimits): Promise<AccountLimitsRow> {
    const limits = { plan, requestsPerMinute, tokensPerMinute };
    return { ...limits, inForce: await this.plans.inForce(limits) };
  }

  /** Writes in the order of the two user ids, so two admins who act on each other cannot deadlock. */
  private async record(actor: Actor, userId: string, action: AuditAction, what: AuditFacts = {}): Promise<void> {
    const facts = { ...what, subjectId: userId };
    const inOwn = (): Promise<unknown> => this.audit.record(actor, action, facts);
    const inTheirs = (): Promise<unknown> =>
      this.unitOfWork.switchTo({ userId }, () => this.audit.record({ userId, adminId: actor.userId }, action, facts));
    if (userId === actor.userId) await inOwn();
    else for (const write of userId < actor.userId ? [inTheirs, inOwn] : [inOwn, inTheirs]) await write();
  }
}

function factsOf({ requestsPerMinute, tokensPerMinute }: MinuteLimits): AuditFacts {
  return { requests_per_minute: requestsPerMinute, tokens_per_minute: tokensPerMinute };
}
