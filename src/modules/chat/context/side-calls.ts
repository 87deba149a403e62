import { Injectable } from '@nestjs/common';
import { TokenCounter } from '../../../platform/tokens/token-counter.js';
import { toName } from '../../llm/public/attempt-log.js';
import { LlmError } from '../../llm/public/llm-error.js';
import type { Generation, LlmMessage, LlmProvider } from '../../llm/public/llm-provider.js';
import { SideBudgets, type WorstCase } from '../../usage/public/side-budgets.js';
import { UsageRecorder } from '../../usage/public/usage-recorder.js';
import type { LedgerRef, UsageKind } from '../../usage/public/used-call.js';
import { PER_ANSWER, PER_MESSAGE } from '../turn.js';

/** The usage of a call when the provider reported none. */
const NOT_TOLD = { inputTokens: null, outputTokens: null, cachedInputTokens: null, costMicroUsd: null };

/** A model call that does not produce an answer. */
export interface SideCall {
  readonly kind: Exclude<UsageKind, 'answer'>;
  readonly ledgerRef: LedgerRef;
  readonly provider: LlmProvider;
  /** Null: the provider's default. */
  readonly model: string | null;
  readonly isOwnKey: boolean;
  readonly messages: readonly LlmMessage[];
  readonly maxOutputTokens: number;
}

/**
 * Model calls for titles and summaries. A call is made only if all budgets have room for it. Each call is recorded in
 * the ledger, however it ends.
 */
@Injectable()
export class SideCalls {
  constructor(
    private readonly usage: UsageRecorder,
    private readonly tokens: TokenCounter,
    private readonly budgets: SideBudgets,
  ) {}

  /**
   * Null when a budget has no room for the worst case of the call; then no model is called. Throws the errors of the
   * provider.
   */
  async generate(call: SideCall, signal: AbortSignal): Promise<Generation | null> {
    const { provider, model, messages, maxOutputTokens } = call;
    if (!(await this.budgets.haveRoom(call.ledgerRef, await this.worstCase(call)))) return null;
    try {
      const options = { model, params: { max_output_tokens: maxOutputTokens } };
      const generation = await provider.generate(messages, options, signal);
      await this.record(call, generation);
      return generation;
    } catch (error) {
      if (error instanceof LlmError) await this.record(call, null);
      throw error;
    }
  }

  private async worstCase(call: SideCall): Promise<WorstCase> {
    const { provider, model, messages, maxOutputTokens } = call;
    return {
      provider: provider.name,
      model: model ?? provider.defaultModel,
      inputTokens: (await this.countInput(call)) + messages.length * PER_MESSAGE + PER_ANSWER,
      outputTokens: maxOutputTokens,
    };
  }

  private async countInput({ messages, ledgerRef: { userId } }: SideCall): Promise<number> {
    return this.tokens.count(messages.map(({ content }) => content).join(''), { userId });
  }

  private async record(call: SideCall, generation: Generation | null): Promise<void> {
    const { kind, ledgerRef, provider, model, isOwnKey } = call;
    const counted = generation?.usage ?? NOT_TOLD;
    const askedModel = model ?? provider.defaultModel;
    const isEstimated = generation !== null && (counted.inputTokens === null || counted.outputTokens === null);
    await this.usage.record(ledgerRef, kind, [
      {
        ...counted,
        ...(isEstimated && {
          inputTokens: await this.countInput(call),
          outputTokens: await this.tokens.count(generation.text, { userId: ledgerRef.userId }),
        }),
        isEstimated,
        provider: provider.name,
        model: generation?.model == null ? askedModel : toName(generation.model),
        askedModel,
        isOwnKey,
        status: generation === null ? 'failed' : 'completed',
        generationId: generation?.generationId == null ? null : toName(generation.generationId),
        rawUsage: generation?.rawUsage ?? null,
      },
    ]);
  }
}
