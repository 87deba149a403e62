/** What a call of a provider was for: the answer, the name of a session, or a summary of what was said before. */
export type UsageKind = 'answer' | 'title' | 'summary';

/** One call of a model provider, as the ledger keeps it. Unknown is null, never 0. */
export interface UsedCall {
  /** Who was asked; prices are found by this and the model. */
  readonly provider: string;
  /** The model that answered, as far as it is known; else the one that was asked for. */
  readonly model: string;
  /** The model that was asked for. Its price counts when the list has none for the answering name. */
  readonly askedModel: string;
  /** Whether a key of the user's own paid, and not one of this server's. */
  readonly isOwnKey: boolean;
  readonly status: 'completed' | 'stopped' | 'failed' | 'interrupted';
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  /** The part of the input tokens that the provider had read before. */
  readonly cachedInputTokens: number | null;
  /** Whether the tokens are our own count, because the provider gave none. */
  readonly isEstimated: boolean;
  /** What the provider itself says that the call cost; then no price is looked up. */
  readonly costMicroUsd: number | null;
  readonly generationId: string | null;
  /** The provider's own words on what was used. */
  readonly rawUsage: object | null;
}

/** Where in the ledger a call belongs: ids only, which may outlive what they name. */
export interface LedgerRef {
  readonly userId: string;
  readonly projectId: string;
  readonly sessionId: string;
  /** The answer that the call was for, also when it only named its session; a summary has an id of its own. */
  readonly messageId: string;
}
