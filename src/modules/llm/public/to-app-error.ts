import { AppError } from '../../../kernel/errors/app-error.js';
import type { LlmError } from './llm-error.js';

/** The same failure as a client may see it: the code, and in whole seconds when to come back. Cause for the log only. */
export function toAppError(error: LlmError): AppError {
  const retryAfterSeconds = error.retryAfterMs === null ? undefined : Math.ceil(error.retryAfterMs / 1000);
  return new AppError(error.code, { cause: error, retryAfterSeconds });
}
