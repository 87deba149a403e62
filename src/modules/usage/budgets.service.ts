import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type BudgetState, type Limits, PERIODS } from './budget-state.js';
import { BudgetsRepository } from './budgets.repository.js';

/** The budgets of an account and its projects. A null `projectId` means the account. */
@Injectable()
export class BudgetsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly budgets: BudgetsRepository,
    private readonly audit: AuditLog,
  ) {}

  async get(actor: Actor, projectId: string | null): Promise<BudgetState> {
    requireWhole(actor, projectId);
    return this.unitOfWork.run(actor, () => this.budgets.get(actor.userId, projectId));
  }

  async put(actor: Actor, projectId: string | null, limits: Limits): Promise<BudgetState> {
    requireWhole(actor, projectId);
    const { userId } = actor;
    return this.unitOfWork.run(actor, async () => {
      await this.budgets.putLimits(userId, projectId, limits);
      const state = await this.budgets.get(userId, projectId);
      for (const period of PERIODS) {
        const [limit, cap] = [limits[period], state[period].cap];
        if (limit !== null && cap !== null && limit > cap)
          throw AppError.invalid(`/${period}_limit_micro_usd`, `must be at most ${cap}, which an admin has set`);
      }
      await this.audit.record(actor, 'budget.changed', { subjectId: projectId });
      return state;
    });
  }
}

/** Refuses an API key that is bound to a project, because the account's budget covers all projects. */
function requireWhole({ projectId: boundTo }: Actor, projectId: string | null): void {
  if (projectId === null && boundTo !== null)
    throw new AppError('insufficient_scope', { detail: 'The API key is bound to one project.' });
}
