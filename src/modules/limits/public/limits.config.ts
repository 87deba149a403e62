import { IsString } from 'class-validator';
import { IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

/** The plan of users without a plan of their own. */
export class LimitsConfig {
  static readonly title = 'Limits';

  @Variable(
    'Plan of users who have no plan of their own. A plan limits turns and tokens per minute. free, pro and unlimited exist from the start; admins can change them and add others.',
  )
  @IsString()
  defaultPlan: string = 'free';

  @Variable(
    'Output tokens that a turn reserves from the limits when neither the turn nor its project sets max_output_tokens. At the end of the turn the real number replaces them.',
  )
  @IsWhole(0, 1_000_000)
  usualOutputTokens: number = 1000;
}
