import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { AnswererName } from '../../../kernel/provider-name.js';
import type { LlmUsage, RawUsage } from './llm-provider.js';

/** How a call of a provider ended. `interrupted`: its instance died or handed the turn over while it ran. */
export type AttemptStatus = 'completed' | 'failed' | 'stopped' | 'interrupted';

/**
 * One provider call with its usage. Each call may have a cost, whether or not it produced the answer. Counts are the
 * provider's own unless `isEstimated`; null means unknown.
 */
export interface ProviderAttempt extends LlmUsage {
  /** The provider; `custom` is a server at the project's own address, for which no list of prices applies. */
  readonly provider: AnswererName;
  /** The model that answered, if the provider named it; otherwise the requested one. */
  readonly model: string;
  /** The requested model. A server may answer under another name. */
  readonly askedModel: string;
  readonly isOwnKey: boolean;
  readonly status: AttemptStatus;
  /** Null unless it failed or was interrupted. */
  readonly errorCode: ErrorCode | null;
  /** The provider's id of the generation, by which its records can be queried later. */
  readonly generationId: string | null;
  /** Whether input and output tokens are our own count, because the provider gave none. */
  readonly isEstimated: boolean;
  readonly rawUsage: RawUsage | null;
}
