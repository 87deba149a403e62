import { Injectable } from '@nestjs/common';
import { UsageConfig } from './usage.config.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { BudgetsRepository, type WorstCase } from '../budgets.repository.js';
import type { LedgerRef } from './used-call.js';

export type { WorstCase };

/** Checks budgets for model calls that do not produce an answer, and so have no turn for a reservation. */
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
   * Whether the worst case of the call fits into all budgets that apply, after the reservations of running turns. It
   * only reads and reserves nothing, so concurrent calls see the same free amount. Without a price, the configuration
   * decides.
   */
  async haveRoom(ref: LedgerRef, call: WorstCase): Promise<boolean> {
    const { userId, projectId } = ref;
    const { free, worst } = await this.unitOfWork.run({ userId }, () => this.budgets.readRoom(userId, projectId, call));
    if (free === null) return true;
    return worst === null ? this.takesUnpriced : worst <= free;
  }
}
