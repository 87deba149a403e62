import { IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

/** Size limits of user texts. */
export class PromptsConfig {
  static readonly title = 'Messages and prompts';

  @Variable('Longest message or prompt, in characters.')
  @IsWhole(100, 1_000_000)
  messageMaxChars: number = 100_000;
}
