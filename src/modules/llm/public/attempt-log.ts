import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { LlmEvent } from './llm-provider.js';
import type { AttemptStatus, ProviderAttempt } from './provider-attempt.js';

const MAX_NAME = 200;

type Begun = Extract<LlmEvent, { type: 'attempt' }>;
type Open = { -readonly [K in keyof ProviderAttempt]: ProviderAttempt[K] } & {
  /** Of the reasoning that has come, in UTF-8. */
  reasoningBytes: number;
};

/** Our estimate where the provider gives no counts: reasoning is not kept, so its tokens cannot be counted exactly. */
const BYTES_PER_TOKEN = 4;

/** Collects from the events of an answer what its calls of providers were, in their order. Text is no concern of it. */
export class AttemptLog {
  /** Our own count of what the model is sent, in tokens; null as long as it is not known. */
  inputTokens: number | null = null;

  private readonly over: ProviderAttempt[] = [];
  private open: Open | null = null;

  /** Whether the newest attempt was made by the project's own key. */
  get isOwnKey(): boolean {
    return (this.open ?? this.over.at(-1))?.isOwnKey === true;
  }

  take(event: LlmEvent): void {
    if (event.type === 'attempt') this.open = begin(event);
    else if (event.type === 'attempt-failed') this.close('failed', event.code, 0);
    else if (this.open !== null) note(this.open, event);
  }

  /**
   * Calls of which no instance is left to tell the end: they were asked, so they used something.
   * @param newestTokens our own count of what the newest of them is known to have said
   */
  addLost(calls: number, asked: Omit<Begun, 'type'>, newestTokens: number): void {
    for (let call = 1; call <= calls; call++) {
      this.open = begin(asked);
      this.close('interrupted', 'turn_interrupted', call === calls ? newestTokens : 0);
    }
  }

  /**
   * All attempts, the one that answered last. One that still runs ends so.
   * @param outputTokens our own count of its text, for when the provider gives none; reasoning is added
   */
  end(status: AttemptStatus, errorCode: ErrorCode | null, outputTokens: number): readonly ProviderAttempt[] {
    this.close(status, errorCode, outputTokens);
    return this.over;
  }

  private close(status: AttemptStatus, errorCode: ErrorCode | null, outputTokens: number): void {
    if (this.open === null) return;
    const { inputTokens } = this;
    const { reasoningBytes, ...open } = this.open;
    this.open = null;
    const isCounted = open.inputTokens !== null && open.outputTokens !== null;
    // Whoever asked a model and got no counts still used it: our own count stands in, and says so.
    const saidTokens = outputTokens + Math.ceil(reasoningBytes / BYTES_PER_TOKEN);
    const hasBegun = saidTokens > 0 || open.generationId !== null || errorCode === 'provider_timeout';
    const isEstimated = !isCounted && inputTokens !== null && (hasBegun || status !== 'failed');
    if (isEstimated) {
      open.inputTokens ??= inputTokens;
      open.outputTokens ??= saidTokens;
    }
    open.status = status;
    open.errorCode = errorCode;
    open.isEstimated = isEstimated;
    this.over.push(open);
  }
}

function begin({ provider, model, isOwnKey }: Omit<Begun, 'type'>): Open {
  return {
    provider,
    model,
    askedModel: model,
    isOwnKey,
    status: 'interrupted',
    errorCode: null,
    isEstimated: false,
    generationId: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    costMicroUsd: null,
    rawUsage: null,
    reasoningBytes: 0,
  };
}

function note(open: Open, event: LlmEvent): void {
  if (event.type === 'reasoning-delta') open.reasoningBytes += Buffer.byteLength(event.text);
  else if (event.type === 'generation') open.generationId = toName(event.id);
  else if (event.type === 'usage') Object.assign(open, event.usage, { rawUsage: event.rawUsage });
  else if (event.type === 'finish') {
    if (event.generationId !== null) open.generationId = toName(event.generationId);
    if (event.model !== null) open.model = toName(event.model);
  }
}

/** A provider's own name of something, in a form and length that can be stored. */
function toName(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_NAME).toWellFormed();
}
