import { IsIn } from 'class-validator';
import { IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

/** Settings for the reservations of budgets. */
export class UsageConfig {
  static readonly title = 'Budgets';

  @Variable(
    'Maximum output tokens of a turn under a budget when neither the request nor the project sets a maximum. The budget reserves their cost, and the model is asked for no more.',
  )
  @IsWhole(1, 1_000_000)
  budgetOutputTokens: number = 4096;

  @Variable(
    'What happens to a turn under a budget when the price of its model is unknown: refuse rejects it, allow runs it and counts no cost.',
  )
  @IsIn(['refuse', 'allow'])
  budgetUnpricedModels: 'refuse' | 'allow' = 'refuse';
}
