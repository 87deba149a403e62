import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { AnswererName } from '../../../kernel/provider-name.js';
import type { LlmUsage, RawUsage } from './llm-provider.js';

/** How a call of a provider ended. `interrupted`: its instance died or handed the turn over while it ran. */
export type AttemptStatus = 'completed' | 'failed' | 'stopped' | 'interrupted';

/**
 * One call of a provider, with what it used: each may have its price, whether or not it gave the answer. Counts are the
 * provider's own unless `isEstimated`; unknown is null.
 */
export interface ProviderAttempt extends LlmUsage {
  /** Who was asked; `custom` is a server of the project's own address, where no list of prices holds. */
  readonly provider: AnswererName;
  /** The model that answered, as far as the provider named it; else the one that was asked for. */
  readonly model: string;
  /** The model that was asked for; a server may answer under any other name. */
  readonly askedModel: string;
  readonly isOwnKey: boolean;
  readonly status: AttemptStatus;
  /** Null unless it failed or was interrupted. */
  readonly errorCode: ErrorCode | null;
  /** The provider's own id of the generation, by which its records can be asked later. */
  readonly generationId: string | null;
  /** Whether input and output tokens are our own count, because the provider gave none. */
  readonly isEstimated: boolean;
  readonly rawUsage: RawUsage | null;
}
