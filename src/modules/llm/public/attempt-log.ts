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

/** Collects the provider calls of an answer, in order, from its events. It ignores the text. */
export class AttemptLog {
  /** Our own count of the input tokens; null while unknown. */
  inputTokens: number | null = null;

  private readonly over: ProviderAttempt[] = [];
  private open: Open | null = null;

  /** Whether the newest attempt used the project's own key. */
  get isOwnKey(): boolean {
    return (this.open ?? this.over.at(-1))?.isOwnKey === true;
  }

  take(event: LlmEvent): void {
    if (event.type === 'attempt') this.open = begin(event);
    else if (event.type === 'attempt-failed') this.close('failed', event.code, 0);
    else if (this.open !== null) note(this.open, event);
  }

  /**
   * Adds calls of instances that died before the calls ended. They reached the provider, so they have usage.
   * @param newestTokens our own count of the known text of the newest of them
   */
  addLost(calls: number, asked: Omit<Begun, 'type'>, newestTokens: number): void {
    for (let call = 1; call <= calls; call++) {
      this.open = begin(asked);
      this.close('interrupted', 'turn_interrupted', call === calls ? newestTokens : 0);
    }
  }

  /**
   * Returns all attempts, the one that answered last. An attempt that still runs gets the given status.
   * @param outputTokens our own count of its text, used when the provider gives no count; reasoning is added
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
    // A call without counts of the provider still has usage: use our own count, marked as estimated.
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

/** Cuts a name from a provider to a form and length that can be stored. */
export function toName(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_NAME).toWellFormed();
}
