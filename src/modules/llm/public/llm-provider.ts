import type { AnswererName } from '../../../kernel/provider-name.js';
import type { LlmErrorCode } from './llm-error.js';
export { PROVIDER_NAMES, type ProviderName } from '../../../kernel/provider-name.js';

export type ContentPart =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'image_url';
      readonly image_url: { readonly url: string; readonly detail?: 'auto' | 'low' | 'high' };
    };

export interface LlmMessage {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string | readonly ContentPart[];
}

/** Sampling settings; what is absent is not sent, so that the provider's own default holds. */
export interface LlmParams {
  readonly temperature?: number;
  readonly top_p?: number;
  readonly max_output_tokens?: number;
  readonly presence_penalty?: number;
  readonly frequency_penalty?: number;
  readonly seed?: number;
  readonly stop?: readonly string[];
}

export interface LlmOptions {
  /** Null takes the provider's configured model. */
  readonly model: string | null;
  readonly params: LlmParams;
  /** Models that the provider itself may take when that one fails, in order. OpenRouter can, others never get any. */
  readonly alternatives?: readonly string[];
  /** Whether somebody else is asked when this call fails; then it is not made again. */
  readonly hasFallback?: boolean;
}

/** Counts as the provider gave them; null is "not told", never 0. */
export interface LlmUsage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  /** What the provider itself says the call cost, in millionths of a US dollar; null when it does not say. */
  readonly costMicroUsd: number | null;
}

/** A provider's usage object as it came, when it is small enough to keep and can be stored as JSON. */
export type RawUsage = Readonly<Record<string, unknown>>;

export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'other';

export type LlmEvent =
  /** A call of a provider begins. Each call is announced so, also those that are made again or elsewhere after a failure. */
  | {
      readonly type: 'attempt';
      readonly provider: AnswererName;
      /** The model that is asked for; `finish` tells which one answered. */
      readonly model: string;
      /** Whether the key is the project's own, so that its owner pays. */
      readonly isOwnKey: boolean;
    }
  /** The call failed before it said anything, and there will be another one. The failure of the last one is thrown. */
  | { readonly type: 'attempt-failed'; readonly code: LlmErrorCode; readonly providerStatus: number | null }
  /** The provider's own id of what it begins to say: once, before the first text, when the provider tells it. */
  | { readonly type: 'generation'; readonly id: string }
  | { readonly type: 'text-delta'; readonly text: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'usage'; readonly usage: LlmUsage; readonly rawUsage: RawUsage | null }
  | {
      readonly type: 'finish';
      readonly reason: FinishReason;
      /** The provider's own word for the reason. */
      readonly rawReason: string | null;
      /** The provider's id of this generation. */
      readonly generationId: string | null;
      /** The model that answered, as the provider names it. */
      readonly model: string | null;
    };

/** What is said about the calls of a provider is none of their answer yet. */
export function isNotice({ type }: LlmEvent): boolean {
  return type === 'attempt' || type === 'attempt-failed';
}

export interface Generation {
  readonly text: string;
  readonly usage: LlmUsage | null;
  readonly rawUsage: RawUsage | null;
  readonly finishReason: FinishReason;
  readonly rawFinishReason: string | null;
  readonly generationId: string | null;
  readonly model: string | null;
}

export interface LlmModel {
  readonly id: string;
  /** Tokens that prompt and answer may have together; null when the provider does not say. */
  readonly contextWindow: number | null;
}

export type ConnectionCheck = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * The socket every model provider fits. Failures are `LlmError`, except an abort, which throws the signal's reason.
 * Implementations make no retries of their own and hold nothing between calls but a connection pool.
 */
export interface LlmProvider {
  readonly name: AnswererName;
  /** The model used when nobody names one. */
  readonly defaultModel: string;

  /** One whole answer. The same call as `stream`, collected. */
  generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation>;

  /**
   * The answer as it comes: text deltas (never empty), at most one `usage`, and exactly one `finish` as the last event.
   * Attempts are announced by what makes several of them, not by a single provider.
   * A stream that ends without saying why it ended throws `provider_disconnected`.
   */
  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent>;

  /** Whether the provider can be reached and accepts our key. Never throws; `reason` is one line without secrets. */
  validateConnection(signal?: AbortSignal): Promise<ConnectionCheck>;

  /** The models on offer, as the provider lists them. */
  listModels(signal?: AbortSignal): Promise<readonly LlmModel[]>;

  /** Gives back sockets at shutdown. */
  close(): Promise<void>;
}

/** Injection token of the provider that config chose. */
export const LLM_PROVIDER = Symbol('LLM_PROVIDER');
