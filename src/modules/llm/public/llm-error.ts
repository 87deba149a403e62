import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';

/** The part of the error catalogue that a provider call can end in. */
export type LlmErrorCode = Extract<ErrorCode, `provider_${string}` | 'model_not_found' | 'context_too_large'>;

export interface LlmErrorFacts {
  /** HTTP status of the provider's answer; null when there was none. */
  readonly providerStatus?: number | null;
  /** What the provider asked for by Retry-After, in milliseconds, bounded by the caller. */
  readonly retryAfterMs?: number | null;
  /** Whether the same call may succeed later, as far as can be told from the answer. */
  readonly retryable: boolean;
  /** Provider's own words and the underlying error: for the debug log, never for a client. */
  readonly cause?: unknown;
}

/** A failed provider call, classified once where the answer is read. */
export class LlmError extends Error {
  readonly retryable: boolean;
  readonly providerStatus: number | null;
  readonly retryAfterMs: number | null;

  constructor(
    readonly code: LlmErrorCode,
    facts: LlmErrorFacts,
  ) {
    super(code, { cause: facts.cause });
    this.name = 'LlmError';
    this.retryable = facts.retryable;
    this.providerStatus = facts.providerStatus ?? null;
    this.retryAfterMs = facts.retryAfterMs ?? null;
  }
}
