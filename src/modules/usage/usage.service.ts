import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { onlyRow } from '../../platform/database/only-row.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Grouping, UsageRepository, type UsageSum } from './usage.repository.js';

const DAY_MS = 86_400_000;
const MAX_DAYS = 366;

export interface UsageReport {
  readonly from: Date;
  readonly to: Date;
  readonly groups: readonly UsageSum[];
  readonly total: UsageSum;
}

/** Usage reports from the ledger. */
@Injectable()
export class UsageService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly usage: UsageRepository,
    private readonly clock: Clock,
  ) {}

  /** The report of a project; null: of everything the actor can access, including deleted projects. */
  async report(
    actor: Actor,
    projectId: string | null,
    range: { readonly from?: string; readonly to?: string },
    grouping: Grouping,
  ): Promise<UsageReport> {
    const { from, to } = this.rangeOf(range);
    const sums = await this.unitOfWork.run(actor, () => this.usage.sum(actor.userId, projectId, from, to, grouping));
    const total = onlyRow(sums.filter(({ isTotal }) => isTotal));
    return { from, to, groups: sums.filter((sum) => sum !== total), total };
  }

  private rangeOf({ from, to }: { readonly from?: string; readonly to?: string }): { from: Date; to: Date } {
    const end = to === undefined ? new Date(this.clock.nowMs()) : new Date(to);
    const begin = from === undefined ? new Date(end.getTime() - 30 * DAY_MS) : new Date(from);
    for (const [name, date] of [['?from', begin] as const, ['?to', end] as const]) {
      if (!(date.getTime() >= 0 && date.getTime() < 2 ** 48)) throw AppError.invalid(name, 'must be a time since 1970');
    }
    if (end.getTime() - begin.getTime() > MAX_DAYS * DAY_MS) {
      throw AppError.invalid('?from', `must be at most ${MAX_DAYS} days before ?to`);
    }
    return { from: begin, to: end };
  }
}
