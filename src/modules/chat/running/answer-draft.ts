import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { AnswererName } from '../../../kernel/provider-name.js';
import { AttemptLog } from '../../llm/public/attempt-log.js';
import type { FinishReason, LlmEvent } from '../../llm/public/llm-provider.js';
import type { AttemptStatus } from '../../llm/public/provider-attempt.js';
import type { Context } from '../context/context-builder.js';
import type { ContextFacts } from '../message.entity.js';
import type { Outcome } from '../turn.js';

/** Collects the events of providers into the columns of an answer. It passes the text on and does not keep it. */
export class AnswerDraft {
  /** The provider of the current or last call. */
  provider: AnswererName | null = null;
  model: string | null = null;
  readonly attempts = new AttemptLog();
  /** The input of the model; null until a model is called. */
  context: ContextFacts | null = null;
  /** More detail about the error, written by this server. */
  errorDetail: string | null = null;

  private heldBack = '';
  private finishReason: FinishReason | null = null;

  /** Keeps the numbers of the context, without its texts. */
  note(context: Context | null): void {
    if (context === null) return;
    const { messagesSent, summarised, dropped, inputTokens } = context;
    this.context = { messagesSent, summarised, dropped, inputTokens };
  }

  /** Adds an event and returns its text in a form that can be stored. */
  add(event: LlmEvent): string {
    if (event.type === 'text-delta') return this.storable(event.text);
    this.attempts.take(event);
    if (event.type === 'attempt') ({ provider: this.provider, model: this.model } = event);
    if (event.type === 'finish') this.finishReason = event.reason;
    return '';
  }

  /** Returns the text that was held back, at the end of the answer. */
  flush(): string {
    const rest = this.heldBack.toWellFormed();
    this.heldBack = '';
    return rest;
  }

  /**
   * @param content all text that was passed on
   * @param contentTokens our own count of that text
   */
  outcome(status: AttemptStatus, errorCode: ErrorCode | null, content: string, contentTokens: number): Outcome {
    const attempts = this.attempts.end(status, errorCode, contentTokens);
    const last = attempts.at(-1);
    return {
      status,
      content,
      contentTokens,
      finishReason: this.finishReason,
      provider: last?.provider ?? this.provider,
      model: last?.model ?? this.model,
      generationId: last?.generationId ?? null,
      inputTokens: last?.inputTokens ?? null,
      outputTokens: last?.outputTokens ?? null,
      cachedInputTokens: last?.cachedInputTokens ?? null,
      isUsageEstimated: last?.isEstimated ?? false,
      costMicroUsd: last?.costMicroUsd ?? null,
      errorCode,
      errorDetail: errorCode === null ? null : this.errorDetail,
      context: this.context,
      attempts,
    };
  }

  /** Removes what PostgreSQL cannot store: NUL and unpaired surrogates. The rest of the text is stored unchanged. */
  private storable(delta: string): string {
    let text = this.heldBack + delta;
    this.heldBack = '';
    const last = text.charCodeAt(text.length - 1);
    // The second half of the pair may arrive with the next delta.
    if (last >= 0xd800 && last <= 0xdbff) {
      this.heldBack = text.slice(-1);
      text = text.slice(0, -1);
    }
    if (text.includes('\0')) text = text.replaceAll('\0', '');
    return text.toWellFormed();
  }
}
