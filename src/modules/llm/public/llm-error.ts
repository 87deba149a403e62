import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';

/** The errors of the catalogue that a provider call can fail with. */
export type LlmErrorCode = Extract<ErrorCode, `provider_${string}` | 'model_not_found' | 'context_too_large'>;

export interface LlmErrorFacts {
  /** HTTP status of the provider's answer; null when there was none. */
  readonly providerStatus?: number | null;
  /** The provider's Retry-After in milliseconds. The caller limits it. */
  readonly retryAfterMs?: number | null;
  /** Whether the same call may succeed later, judged by the response. */
  readonly retryable: boolean;
  /** The provider's error text and the underlying error, only for the debug log, never for a client. */
  readonly cause?: unknown;
}

/** A failed provider call, classified once where the response is read. */
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
