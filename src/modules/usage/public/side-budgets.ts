import { Injectable } from '@nestjs/common';
import { UsageConfig } from './usage.config.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { BudgetsRepository, type WorstCase } from '../budgets.repository.js';
import type { LedgerRef } from './used-call.js';

export type { WorstCase };

/** Whether there is money left for a call of a model that is not for an answer, and so has no turn to reserve it under. */
@Injectable()
export class SideBudgets {
  private readonly takesUnpriced: boolean;

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly budgets: BudgetsRepository,
    config: UsageConfig,
  ) {
    this.takesUnpriced = config.budgetUnpricedModels === 'allow';
  }

  /**
   * Whether the worst case of the call fits into all budgets that apply, beside what running turns have reserved. It is a look
   * and holds nothing: calls that look at the same time see the same room. Without a price it fits where config says so.
   */
  async haveRoom(ref: LedgerRef, call: WorstCase): Promise<boolean> {
    const { userId, projectId } = ref;
    const { free, worst } = await this.unitOfWork.run({ userId }, () => this.budgets.readRoom(userId, projectId, call));
    if (free === null) return true;
    return worst === null ? this.takesUnpriced : worst <= free;
  }
}
