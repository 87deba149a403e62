import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../../kernel/errors/error-catalogue.js';
import type { AnswererName } from '../../../kernel/provider-name.js';
import { UsageConfig } from '../../usage/public/usage.config.js';
import { TokenCounter } from '../../../platform/tokens/token-counter.js';
import { LlmError, type LlmErrorCode } from '../../llm/public/llm-error.js';
import { toAppError } from '../../llm/public/to-app-error.js';
import type { LlmEvent, LlmParams } from '../../llm/public/llm-provider.js';
import type { AttemptStatus } from '../../llm/public/provider-attempt.js';
import { ProjectProviders } from '../../provider-keys/public/project-providers.js';
import { AnswerDraft } from './answer-draft.js';
import type { Context } from '../context/context-builder.js';
import { type Asked, TurnContexts } from '../context/turn-contexts.js';
import { type LiveTurn, TurnAbort } from '../following/live-turn.js';
import type { OpenTurn, Outcome } from '../turn.js';

/** Calls the model for the answer of a turn and returns the outcome. Does not use the database. */
@Injectable()
export class ModelCall {
  private readonly log = new Logger(ModelCall.name);

  constructor(
    private readonly providers: ProjectProviders,
    private readonly tokens: TokenCounter,
    private readonly contexts: TurnContexts,
    private readonly config: UsageConfig,
  ) {}

  /**
   * Runs the turn and returns its outcome, whatever happens. `interrupted` means that this instance has lost the turn
   * and must not settle it; null means that the turn was aborted so that another instance can continue it.
   */
  async run(turn: OpenTurn, live: LiveTurn): Promise<Outcome | null> {
    const draft = new AnswerDraft();
    try {
      const asked = await this.address(turn, draft);
      if (asked === null) throw new AppError('provider_not_configured');
      const { userId } = turn.answer;
      const lostTokens = turn.savedText === null ? 0 : await this.tokens.count(turn.savedText, { userId });
      // Inlined: a separate function would keep one more frame and one more promise in every open stream.
      for await (const event of await this.ask(asked, turn, live.abort.signal, draft, lostTokens)) {
        // After an abort between two events, the next event must not be used.
        live.abort.signal.throwIfAborted();
        live.append(draft.add(event));
      }
      live.append(draft.flush());
      this.tellEnd(turn, draft, null);
      return await this.outcome(turn, draft, 'completed', null, live.textFrom(0));
    } catch (error) {
      const reason: unknown = live.abort.signal.reason;
      if (reason instanceof TurnAbort) {
        if (reason.why === 'stop') return this.outcome(turn, draft, 'stopped', null, live.textFrom(0));
        return reason.why === 'lost'
          ? this.outcome(turn, draft, 'interrupted', 'turn_interrupted', live.textFrom(0))
          : null;
      }
      if (error instanceof LlmError) {
        live.retryAfterSeconds = toAppError(error).retryAfterSeconds;
        if (live.length > 0) this.tellEnd(turn, draft, error.code);
      }
      return this.outcome(turn, draft, 'failed', this.record(turn, draft, error), live.textFrom(0));
    }
  }

  /** The outcome of a turn that is settled without another model call: its saved text becomes the answer. */
  async cut(turn: OpenTurn, status: 'stopped' | 'interrupted'): Promise<Outcome> {
    const draft = new AnswerDraft();
    const { savedText, attempt } = turn;
    if (attempt > 1) {
      // An earlier attempt called the model, which has a cost.
      const asked = await this.address(turn, draft).catch(() => null);
      if (asked !== null) {
        const context = await this.contextOrNull(turn, asked);
        draft.note(context);
        draft.attempts.inputTokens = context?.inputTokens ?? null;
        draft.attempts.addLost(attempt - 2, toFacts(asked), 0);
        draft.add({ type: 'attempt', ...toFacts(asked) });
      }
    }
    return this.outcome(turn, draft, status, status === 'stopped' ? null : 'turn_interrupted', savedText ?? '');
  }

  private async outcome(
    { answer: { userId } }: OpenTurn,
    draft: AnswerDraft,
    status: AttemptStatus,
    errorCode: ErrorCode | null,
    text: string,
  ): Promise<Outcome> {
    return draft.outcome(status, errorCode, text, await this.tokens.count(text, { userId }));
  }

  /**
   * A separate function that returns before the answer begins: an async function keeps its variables until it returns,
   * and these are large.
   */
  private async ask(
    asked: Asked,
    turn: OpenTurn,
    signal: AbortSignal,
    draft: AnswerDraft,
    lostTokens: number,
  ): Promise<AsyncIterable<LlmEvent>> {
    const context = await this.contexts.prepare(turn, asked, signal);
    draft.attempts.inputTokens = context.inputTokens;
    draft.attempts.addLost(turn.attempt - 1, toFacts(asked), lostTokens);
    signal.throwIfAborted();
    draft.note(context);
    const params = { ...this.limitsOf(turn), ...turn.project.params, ...turn.request.params };
    const hasRoom = this.contexts.roomElsewhere(context, turn, asked, params);
    const provider = this.providers.withFallbacks(asked.provider, turn.project, hasRoom);
    return provider.stream(context.messages, { model: asked.model, params }, signal);
  }

  /** Limits the answer to what the budgets have reserved. */
  private limitsOf({ isBudgeted }: OpenTurn): LlmParams {
    return isBudgeted ? { max_output_tokens: this.config.budgetOutputTokens } : {};
  }

  /** The provider and model of the turn, also noted in the draft; null when there is no key for the provider. */
  private async address({ project, request, answer }: OpenTurn, draft: AnswerDraft): Promise<Asked | null> {
    const provider = await this.providers.findFirst(answer, project);
    if (provider === null) return null;
    const model = request.model ?? project.model ?? provider.defaultModel;
    draft.provider = provider.name;
    draft.model = model;
    return { provider, model, isOwnKey: project.providerKey !== null };
  }

  /** Null when the prompts have grown meanwhile and the input no longer fits. */
  private contextOrNull(turn: OpenTurn, asked: Asked): Promise<Context | null> {
    return this.contexts.build(turn, asked).catch(() => null);
  }

  /** Reports a failure in the middle of an answer. The circuit breaker sees failures before the first word itself. */
  private tellEnd({ project }: OpenTurn, { provider, model, attempts }: AnswerDraft, code: LlmErrorCode | null): void {
    if (provider === null || model === null) return;
    this.providers.tellEnd(project, { provider, model, isOwnKey: attempts.isOwnKey }, code);
  }

  private record(turn: OpenTurn, draft: AnswerDraft, error: unknown): ErrorCode {
    const known = error instanceof LlmError || error instanceof AppError ? error.code : 'internal_error';
    const code = this.providers.codeOf(draft.attempts.isOwnKey, known);
    const facts = { messageId: turn.answer.id, provider: draft.provider, code };
    if (code === 'internal_error') this.log.error({ ...facts, err: error }, 'A turn failed unexpectedly');
    else
      this.log.warn(
        error instanceof LlmError ? { ...facts, providerStatus: error.providerStatus } : facts,
        'A turn failed',
      );
    this.log.debug({ messageId: turn.answer.id, err: error });
    if (error instanceof AppError) draft.errorDetail = error.detail ?? null;
    return code;
  }
}

function toFacts({ provider, model, isOwnKey }: Asked): { provider: AnswererName; model: string; isOwnKey: boolean } {
  return { provider: provider.name, model, isOwnKey };
}
