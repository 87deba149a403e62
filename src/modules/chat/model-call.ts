import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { TokenCounter } from '../../platform/tokens/token-counter.js';
import { LlmError } from '../llm/public/llm-error.js';
import type { LlmOptions, LlmProvider } from '../llm/public/llm-provider.js';
import { LlmProviders } from '../llm/public/llm-providers.js';
import { AnswerDraft } from './answer-draft.js';
import { buildContext, type Context } from './context/context-builder.js';
import { type LiveTurn, TurnAbort } from './live-turn.js';
import type { OpenTurn, Outcome } from './open-turn.js';

/** Asks the model for the answer of a turn, and says what has become of it. Knows no database. */
@Injectable()
export class ModelCall {
  private readonly log = new Logger(ModelCall.name);

  constructor(
    private readonly providers: LlmProviders,
    private readonly tokens: TokenCounter,
    private readonly config: AppConfig,
  ) {}

  /** How the turn ended, whatever happened; null when it was aborted for another instance to go on with. */
  async run(turn: OpenTurn, live: LiveTurn): Promise<Outcome | null> {
    const draft = new AnswerDraft();
    try {
      await this.answer(turn, live, draft);
      return draft.outcome('completed', null, await this.tokens.count(draft.text));
    } catch (error) {
      const reason: unknown = live.abort.signal.reason;
      if (reason instanceof TurnAbort) {
        return reason.why === 'stop' ? draft.outcome('stopped', null, await this.tokens.count(draft.text)) : null;
      }
      return draft.outcome('failed', this.record(turn, draft, error), await this.tokens.count(draft.text));
    }
  }

  /** The outcome of a turn that is settled without asking the model again: what was saved of it is its answer. */
  async cut(turn: OpenTurn, status: 'stopped' | 'interrupted'): Promise<Outcome> {
    const draft = new AnswerDraft();
    const { savedText } = turn;
    if (savedText !== null) {
      // Somebody has asked the model for this text, and it has its price.
      this.address(turn, draft);
      draft.estimatedInputTokens = this.contextOrNull(turn)?.inputTokens ?? null;
      draft.take({ type: 'text-delta', text: savedText });
    }
    return draft.outcome(status, status === 'stopped' ? null : 'turn_interrupted', await this.tokens.count(draft.text));
  }

  private async answer(turn: OpenTurn, live: LiveTurn, draft: AnswerDraft): Promise<void> {
    const asked = this.address(turn, draft);
    if (asked === null) throw new AppError('provider_not_configured');
    const context = this.context(turn);
    draft.estimatedInputTokens = context.inputTokens;
    const params = { ...turn.project.params, ...turn.request.params };
    await this.read(asked.provider, context, { model: asked.model, params }, live, draft);
  }

  /** Whom the turn asks, noted in the draft; null when the server does not know that provider. */
  private address({ project, request }: OpenTurn, draft: AnswerDraft): { provider: LlmProvider; model: string } | null {
    const provider = this.providers.find(project.provider);
    if (provider === null) return null;
    const model = request.model ?? project.model ?? provider.defaultModel;
    draft.provider = provider.name;
    draft.model = model;
    return { provider, model };
  }

  /** Null when prompts have grown meanwhile and there is no room any more for what fitted then. */
  private contextOrNull(turn: OpenTurn): Context | null {
    try {
      return this.context(turn);
    } catch {
      return null;
    }
  }

  private async read(
    provider: LlmProvider,
    { messages }: Context,
    options: LlmOptions,
    live: LiveTurn,
    draft: AnswerDraft,
  ): Promise<void> {
    const { signal } = live.abort;
    signal.throwIfAborted();
    for await (const event of provider.stream(messages, options, signal)) {
      // An abort that comes between two events must not let the next one through.
      signal.throwIfAborted();
      live.append(draft.take(event));
    }
    live.append(draft.flush());
  }

  private context({ prompts, history, question }: OpenTurn): Context {
    const message = { role: 'user', content: question.parts ?? question.content } as const;
    const entry = { message, tokens: question.contentTokens ?? 0 };
    return buildContext({ prompts, history, question: entry, budget: this.config.contextTokens });
  }

  private record(turn: OpenTurn, draft: AnswerDraft, error: unknown): ErrorCode {
    const code = error instanceof LlmError || error instanceof AppError ? error.code : 'internal_error';
    const facts = { messageId: turn.answer.id, provider: draft.provider, code };
    if (code === 'internal_error') this.log.error({ ...facts, err: error }, 'A turn failed unexpectedly');
    else
      this.log.warn(
        error instanceof LlmError ? { ...facts, providerStatus: error.providerStatus } : facts,
        'A turn failed',
      );
    this.log.debug({ messageId: turn.answer.id, err: error });
    return code;
  }
}
