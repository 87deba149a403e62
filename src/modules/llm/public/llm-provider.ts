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

/** Sampling settings. An absent setting is not sent, so the provider's default applies. */
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
  /** Null uses the provider's configured model. */
  readonly model: string | null;
  readonly params: LlmParams;
  /**
   * Models that the provider itself may use, in order, when the first one fails. Only OpenRouter supports this; other
   * providers never get any.
   */
  readonly alternatives?: readonly string[];
  /** Whether a fallback is called when this call fails; then it is not retried. */
  readonly hasFallback?: boolean;
  /** Called when the provider has sent something that brings no event: headers, a comment, a part of a frame. */
  readonly onSignOfLife?: () => void;
}

/** The provider's counts. Null means unknown, never 0. */
export interface LlmUsage {
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly cachedInputTokens: number | null;
  /** The cost that the provider reports, in millionths of a US dollar; null when it reports none. */
  readonly costMicroUsd: number | null;
}

/** The provider's unchanged usage object, if it is small enough and can be stored as JSON. */
export type RawUsage = Readonly<Record<string, unknown>>;

export type FinishReason = 'stop' | 'length' | 'content_filter' | 'tool_calls' | 'other';

export type LlmEvent =
  /** A provider call begins. Every call has this event, including retries and fallbacks. */
  | {
      readonly type: 'attempt';
      readonly provider: AnswererName;
      /** The requested model; `finish` names the one that answered. */
      readonly model: string;
      /** Whether the call uses the project's own key, so the project's owner pays. */
      readonly isOwnKey: boolean;
    }
  /** The call failed before its first text, and another call follows. The error of the last call is thrown. */
  | { readonly type: 'attempt-failed'; readonly code: LlmErrorCode; readonly providerStatus: number | null }
  /** The provider's id of the generation: once, before all reasoning and text, if the provider sends one. */
  | { readonly type: 'generation'; readonly id: string }
  /** What the model thinks before or while it answers; no part of the answer's text. */
  | { readonly type: 'reasoning-delta'; readonly text: string }
  | { readonly type: 'text-delta'; readonly text: string }
  | { readonly type: 'tool-call'; readonly id: string; readonly name: string; readonly arguments: string }
  | { readonly type: 'usage'; readonly usage: LlmUsage; readonly rawUsage: RawUsage | null }
  | {
      readonly type: 'finish';
      readonly reason: FinishReason;
      /** The reason as the provider names it. */
      readonly rawReason: string | null;
      /** The provider's id of this generation. */
      readonly generationId: string | null;
      /** The model that answered, as the provider names it. */
      readonly model: string | null;
    };

const NOTICES: ReadonlySet<LlmEvent['type']> = new Set(['attempt', 'attempt-failed', 'generation', 'usage']);

/** Whether an event is about the call and not part of the answer; after it, the call may still be repeated. */
export function isNotice({ type }: LlmEvent): boolean {
  return NOTICES.has(type);
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
  /** The most tokens of prompt and answer together; null when the provider does not report it. */
  readonly contextWindow: number | null;
}

export type ConnectionCheck = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/**
 * The interface of all model providers. Failures throw `LlmError`; an abort throws the signal's reason. Implementations
 * do not retry, and keep nothing between calls but a connection pool.
 */
export interface LlmProvider {
  readonly name: AnswererName;
  /** The model when a call names none. */
  readonly defaultModel: string;

  /** Returns the whole answer: the collected result of `stream`. */
  generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation>;

  /**
   * Streams the answer: deltas of reasoning and text (never empty), at most one `usage`, and exactly one `finish` as the last
   * event. A stream that fails may report its usage before it throws. Only wrappers that make several attempts emit `attempt`
   * events, a single provider does not. A stream that ends without a finish reason throws `provider_disconnected`.
   */
  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent>;

  /** Whether the provider can be reached and accepts our key. Never throws; `reason` is one line without secrets. */
  validateConnection(signal?: AbortSignal): Promise<ConnectionCheck>;

  /** The models on offer, as the provider lists them. */
  listModels(signal?: AbortSignal): Promise<readonly LlmModel[]>;

  /** Closes sockets at shutdown. */
  close(): Promise<void>;
}

/** Injection token of the configured provider. */
export const LLM_PROVIDER = Symbol('LLM_PROVIDER');
