import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type BudgetState, type Limits, PERIODS } from './budget-state.js';
import { BudgetsRepository } from './budgets.repository.js';

/** What an account and its projects may spend. `projectId` null is the account. */
@Injectable()
export class BudgetsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly budgets: BudgetsRepository,
    private readonly audit: AuditLog,
  ) {}

  get(actor: Actor, projectId: string | null): Promise<BudgetState> {
    return this.unitOfWork.run(actor, async () => {
      await this.checkProject(actor, projectId);
      return this.budgets.get(actor.userId, projectId);
    });
  }

  put(actor: Actor, projectId: string | null, limits: Limits): Promise<BudgetState> {
    const { userId } = actor;
    return this.unitOfWork.run(actor, async () => {
      await this.checkProject(actor, projectId);
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

  /** Throws `not_found`, and `insufficient_scope` for the account by a key that is bound to one project. */
  private async checkProject({ userId, projectId: boundTo }: Actor, projectId: string | null): Promise<void> {
    if (projectId === null) {
      if (boundTo !== null)
        throw new AppError('insufficient_scope', { detail: 'The API key is bound to one project.' });
    } else if (!(await this.budgets.hasProject(userId, projectId))) throw new AppError('not_found');
  }
}
