import { IsOptional, IsString } from 'class-validator';
import { IsMilliseconds, IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

/** Settings for the input of models and for running turns. */
export class ChatConfig {
  static readonly title = 'Chat';

  @Variable(
    'Inexpensive model that names a session after its first turn. When empty, the name is the beginning of the first message.',
  )
  @IsOptional()
  @IsString()
  titleModel?: string;

  @Variable(
    'Inexpensive model that summarizes the oldest turns for projects that choose it (`context_overflow`). When empty, the model of the project does.',
  )
  @IsOptional()
  @IsString()
  summaryModel?: string;

  @Variable('Milliseconds that a summary may take. When it takes longer, the oldest turns are left out.')
  @IsMilliseconds(10)
  summaryTimeoutMs: number = 20_000;

  @Variable(
    "Maximum number of tokens of prompts, history and the new message together, within the model's context window. If the tokenizer of a model is unknown, only 70 % of them are used. The oldest history is left out first.",
  )
  @IsWhole(256)
  contextTokens: number = 16_000;

  @Variable('Maximum number of earlier messages that the server reads for a turn.')
  @IsWhole(0, 1000)
  historyMessages: number = 50;

  @Variable(
    'Maximum number of answers that an instance runs at a time. A further message waits for TURN_WAIT_MS; then it is answered with 503 and not stored.',
  )
  @IsWhole(1, 100_000)
  maxTurns: number = 3000;

  @Variable(
    'Milliseconds for which an instance keeps a running answer without renewing its lease. After that another instance takes the answer over.',
  )
  @IsMilliseconds(1000)
  turnLeaseMs: number = 30_000;

  @Variable('Milliseconds between two searches for answers whose instance has stopped.')
  @IsMilliseconds(100)
  turnSweepMs: number = 5000;

  @Variable('Milliseconds between two writes of the text of running answers to the database.')
  @IsMilliseconds(10)
  turnFlushMs: number = 500;
}
