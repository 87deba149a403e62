import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import type { ProviderName } from '../../kernel/provider-name.js';
import type { FinishReason, LlmEvent, LlmUsage } from '../llm/public/llm-provider.js';
import type { MessageStatus } from './message.entity.js';
import type { Outcome } from './open-turn.js';

const MAX_NAME = 200;

/** Collects what a provider sends into the columns of an answer. The text itself it hands on and does not keep. */
export class AnswerDraft {
  provider: ProviderName | null = null;
  model: string | null = null;
  estimatedInputTokens: number | null = null;

  private heldBack = '';
  private usage: LlmUsage | null = null;
  private finish: { reason: FinishReason; generationId: string | null } | null = null;

  /** Takes an event and returns the text that it adds to the answer, as it can be stored. */
  take(event: LlmEvent): string {
    if (event.type === 'text-delta') return this.add(event.text);
    if (event.type === 'usage') this.usage = event.usage;
    if (event.type === 'finish') {
      const { reason, generationId, model } = event;
      this.finish = { reason, generationId: generationId === null ? null : toName(generationId) };
      if (model !== null) this.model = toName(model);
    }
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
  outcome(status: MessageStatus, errorCode: ErrorCode | null, content: string, contentTokens: number): Outcome {
    const counted = this.usage?.inputTokens != null && this.usage.outputTokens != null;
    // Whoever asked a model and got no counts still used it: our own count stands in, and says so.
    const isEstimated = !counted && this.estimatedInputTokens !== null && (contentTokens > 0 || status !== 'failed');
    return {
      status,
      content,
      contentTokens,
      finishReason: this.finish?.reason ?? null,
      provider: this.provider,
      model: this.model,
      generationId: this.finish?.generationId ?? null,
      inputTokens: this.usage?.inputTokens ?? (isEstimated ? this.estimatedInputTokens : null),
      outputTokens: this.usage?.outputTokens ?? (isEstimated ? contentTokens : null),
      cachedInputTokens: this.usage?.cachedInputTokens ?? null,
      isUsageEstimated: isEstimated,
      costMicroUsd: this.usage?.costMicroUsd ?? null,
      errorCode,
    };
  }

  /** Text of a model is stored as it came, but for what PostgreSQL has no form for: NUL and halves of surrogate pairs. */
  private add(delta: string): string {
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

/** A provider's own name of something, in a form and length that can be stored. */
function toName(text: string): string {
  return text.replaceAll('\0', '').slice(0, MAX_NAME).toWellFormed();
}
