import { IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

/** The time of day at which expired sessions are deleted. */
export class PrivacyConfig {
  static readonly title = 'Retention';

  @Variable('Hour of the day, in UTC, from which the sessions are deleted whose retention period has ended.')
  @IsWhole(0, 23)
  retentionHourUtc: number = 3;
}
