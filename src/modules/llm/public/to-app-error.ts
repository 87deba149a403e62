import { AppError } from '../../../kernel/errors/app-error.js';
import type { LlmError } from './llm-error.js';

/** Converts the error for clients: the code, and the retry time in whole seconds. The cause is only for the log. */
export function toAppError(error: LlmError): AppError {
  const retryAfterSeconds = error.retryAfterMs === null ? undefined : Math.ceil(error.retryAfterMs / 1000);
  return new AppError(error.code, { cause: error, retryAfterSeconds });
}
