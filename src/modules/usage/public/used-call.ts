/** The purpose of a provider call: the answer, the title of a session, or a summary of its history. */
export type UsageKind = 'answer' | 'title' | 'summary';

/** One provider call in the ledger. Null means unknown, never 0. */
export interface UsedCall {
  /** The provider. Prices are looked up by provider and model. */
  readonly provider: string;
  /** The model that answered, if known; otherwise the requested one. */
  readonly model: string;
  /** The requested model. Its price applies when the list has none for the model that answered. */
  readonly askedModel: string;
  /** Whether the call used the user's own key and not one of this server's. */
  readonly isOwnKey: boolean;
  readonly status: 'completed' | 'stopped' | 'failed' | 'interrupted';
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** The part of the input tokens that the provider had in its cache. */
  readonly cachedInputTokens: number | null;
  /** Whether the tokens are our own count, because the provider gave none. */
  readonly isEstimated: boolean;
  /** The cost that the provider reported; then no price is looked up. */
  readonly costMicroUsd: number | null;
  readonly generationId: string | null;
  /** The provider's unchanged usage object. */
  readonly rawUsage: object | null;
}

/** The place of a call in the ledger. The ids may outlive the rows that they refer to. */
export interface LedgerRef {
  readonly userId: string;
  readonly projectId: string;
  readonly sessionId: string;
  /** The answer of the call; for a title, the answer of the first turn; for a summary, an id of its own. */
  readonly messageId: string;
}
