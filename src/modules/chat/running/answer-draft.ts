import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { AnswererName } from '../../../kernel/provider-name.js';
import { AttemptLog } from '../../llm/public/attempt-log.js';
import type { FinishReason, LlmEvent } from '../../llm/public/llm-provider.js';
import type { AttemptStatus } from '../../llm/public/provider-attempt.js';
import type { Context } from '../context/context-builder.js';
import type { ContextFacts } from '../message.entity.js';
import type { Outcome } from '../turn.js';

/** Collects what providers send into the columns of an answer. The text itself it hands on and does not keep. */
export class AnswerDraft {
  /** Whom the turn is about to ask, or has asked last. */
  provider: AnswererName | null = null;
  model: string | null = null;
  readonly attempts = new AttemptLog();
  /** What the model was given; null as long as nobody was asked. */
  context: ContextFacts | null = null;
  /** A sentence of our own about what failed. */
  errorDetail: string | null = null;

  private heldBack = '';
  private finishReason: FinishReason | null = null;

  /** Keeps what is told of the context, without its texts. */
  note(context: Context | null): void {
    if (context === null) return;
    const { messagesSent, summarised, dropped, inputTokens } = context;
    this.context = { messagesSent, summarised, dropped, inputTokens };
  }

  /** Adds an event and returns the text that it brings, as it can be stored. */
  add(event: LlmEvent): string {
    if (event.type === 'text-delta') return this.storable(event.text);
    this.attempts.take(event);
    if (event.type === 'attempt') ({ provider: this.provider, model: this.model } = event);
    if (event.type === 'finish') this.finishReason = event.reason;
    return '';
  }

  /** What was held back at the end of the answer. */
  flush(): string {
    const rest = this.heldBack.toWellFormed();
    this.heldBack = '';
    return rest;
  }

  /**
   * @param content all that was handed on
   * @param contentTokens our own count of it
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

  /** Text of a model is stored as it came, but for what PostgreSQL has no form for: NUL and halves of surrogate pairs. */
  private storable(delta: string): string {
    let text = this.heldBack + delta;
    this.heldBack = '';
    const last = text.charCodeAt(text.length - 1);
    // The second half of a pair may come with the next delta.
    if (last >= 0xd800 && last <= 0xdbff) {
      this.heldBack = text.slice(-1);
      text = text.slice(0, -1);
    }
    if (text.includes('\0')) text = text.replaceAll('\0', '');
    return text.toWellFormed();
  }
}
