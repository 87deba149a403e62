import { IsIn, IsOptional, IsString } from 'class-validator';
import { IsAddress, IsMilliseconds, IsWhole } from '../../../platform/config/checks.js';
import { Variable } from '../../../platform/config/variable.decorator.js';

/** The model providers that this server calls with its own keys, and the limits of each call. */
export class LlmConfig {
  static readonly title = 'Model provider';

  @Variable(
    'Default provider: openai (also for a compatible server at OPENAI_BASE_URL), openrouter or offline. offline calls no model and returns a canned answer. The default is offline in development; production must set it.',
  )
  @IsOptional()
  @IsIn(['openai', 'openrouter', 'offline'], { message: 'must be openai, openrouter or offline' })
  llmProvider?: string;

  @Variable('API key for OPENAI_BASE_URL. For a compatible server that needs no key, set any word.', { secret: true })
  @IsOptional()
  @IsString()
  openaiApiKey?: string;

  @Variable('Base URL of OpenAI or of a compatible server, for example http://localhost:11434/v1 for Ollama.')
  @IsAddress('http', 'https')
  openaiBaseUrl: string = 'https://api.openai.com/v1';

  @Variable('Model for LLM_PROVIDER=openai when neither the request nor the project names one.')
  @IsString()
  openaiModel: string = 'gpt-4o-mini';

  @Variable('API key for OpenRouter.', { secret: true })
  @IsOptional()
  @IsString()
  openrouterApiKey?: string;

  @Variable('Base URL of OpenRouter. Change it to call OpenRouter through a proxy.')
  @IsAddress('http', 'https')
  openrouterBaseUrl: string = 'https://openrouter.ai/api/v1';

  @Variable('Model for LLM_PROVIDER=openrouter when neither the request nor the project names one.')
  @IsString()
  openrouterModel: string = 'openai/gpt-4o-mini';

  @Variable('Milliseconds between two words of the offline provider.')
  @IsMilliseconds(0, 10_000)
  offlineDelayMs: number = 15;

  @Variable(
    'Milliseconds of silence to wait before the first token of an answer. Anything that the provider sends restarts the time, such as reasoning or a comment.',
  )
  @IsMilliseconds(10)
  llmFirstTokenTimeoutMs: number = 60_000;

  @Variable(
    'Milliseconds of silence to wait between two pieces of an answer. Anything that the provider sends restarts the time.',
  )
  @IsMilliseconds(10)
  llmIdleTimeoutMs: number = 30_000;

  @Variable('Milliseconds that a whole answer may take.')
  @IsMilliseconds(10)
  llmTotalTimeoutMs: number = 600_000;

  @Variable(
    'Number of retries after a failure that may be temporary: 429, 5xx or a failed connection. Calls are retried only before the first token.',
  )
  @IsWhole(0, 5)
  llmRetries: number = 2;

  @Variable('Maximum number of calls to one provider that an instance has open at a time.')
  @IsWhole(1, 100_000)
  llmCallsPerProvider: number = 2500;

  @Variable(
    'Maximum number of calls with one key of a project that an instance has open at a time. One slow server of a user cannot block the others.',
  )
  @IsWhole(1, 100_000)
  llmCallsPerOwnKey: number = 500;

  @Variable(
    'Milliseconds that a new message waits while MAX_TURNS answers are running, and that a call waits while its provider has the maximum number of open calls.',
  )
  @IsMilliseconds(0, 60_000)
  turnWaitMs: number = 1000;

  @Variable('Largest answer, in characters. The server cuts a longer one, and the turn ends with the reason `length`.')
  @IsWhole(1000)
  llmMaxAnswerChars: number = 1_000_000;

  static problems({ llmProvider, openaiApiKey, openrouterApiKey }: LlmConfig, isProduction: boolean): string[] {
    if (llmProvider === 'openai' && openaiApiKey === undefined) {
      return ['OPENAI_API_KEY: is required for LLM_PROVIDER=openai (any word for servers without keys)'];
    }
    if (llmProvider === 'openrouter' && openrouterApiKey === undefined) {
      return ['OPENROUTER_API_KEY: is required for LLM_PROVIDER=openrouter'];
    }
    return isProduction && llmProvider === undefined
      ? ['LLM_PROVIDER: is required in production: openai, openrouter or offline']
      : [];
  }
}
