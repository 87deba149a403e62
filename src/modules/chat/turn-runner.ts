import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { TokenCounter } from '../../platform/tokens/token-counter.js';
import { LlmError } from '../llm/public/llm-error.js';
import type { LlmProvider } from '../llm/public/llm-provider.js';
import { LlmProviders } from '../llm/public/llm-providers.js';
import { AnswerDraft } from './answer-draft.js';
import { buildContext, type Context } from './context/context-builder.js';
import { LiveTurn, TurnAbort } from './live-turn.js';
import type { Message } from './message.entity.js';
import { type OpenTurn, type Outcome, TurnStore } from './turn-store.js';

/** How long a settled answer is offered to a database that does not take it, in milliseconds between two tries. */
const CLOSE_RETRY_MS = [50, 200, 500, 1000, 1000, 2000, 2000, 5000, 5000, 5000, 5000];

/**
 * Runs claimed turns to their end, independently of who reads along: asks the model, collects the answer, settles it.
 * Between OPEN and CLOSE it holds no connection and no transaction.
 */
@Injectable()
export class TurnRunner implements BeforeApplicationShutdown {
  private readonly log = new Logger(TurnRunner.name);
  private readonly running = new Map<string, { live: LiveTurn; claimId: string; done: Promise<void> }>();
  private isDraining = false;

  constructor(
    private readonly store: TurnStore,
    private readonly providers: LlmProviders,
    private readonly tokens: TokenCounter,
    private readonly config: AppConfig,
  ) {}

  /** Throws `shutting_down` once this instance has been asked to stop: nobody may claim a turn for it any more. */
  requireOpen(): void {
    if (this.isDraining) throw new AppError('shutting_down', { retryAfterSeconds: 1 });
  }

  /** Begins to run a turn. It never fails: how it ends is in `live.ended`. */
  start(turn: OpenTurn): LiveTurn {
    const live = new LiveTurn(turn);
    const done = this.run(turn, live).finally(() => {
      if (this.running.get(turn.answer.id)?.live === live) this.running.delete(turn.answer.id);
    });
    this.running.set(turn.answer.id, { live, claimId: turn.claimId, done });
    return live;
  }

  /** The turn, when this instance runs it. */
  find(messageId: string): LiveTurn | null {
    return this.running.get(messageId)?.live ?? null;
  }

  claims(): { messageId: string; claimId: string; live: LiveTurn }[] {
    return [...this.running].map(([messageId, { claimId, live }]) => ({ messageId, claimId, live }));
  }

  /** Running answers get a grace period; what is not finished then is handed to the other instances. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isDraining = true;
    const all = Promise.allSettled([...this.running.values()].map(({ done }) => done));
    await Promise.race([all, sleep(this.config.shutdownGraceMs, undefined, { ref: false })]);
    for (const { live } of this.running.values()) live.abort.abort(new TurnAbort('release'));
    await Promise.race([all, sleep(2000, undefined, { ref: false })]);
    await this.store
      .releaseLeases()
      .catch((error: unknown) => this.log.warn({ err: error }, 'Leases were not handed back'));
  }

  private async run(turn: OpenTurn, live: LiveTurn): Promise<void> {
    const draft = new AnswerDraft();
    let outcome: Outcome | null;
    try {
      outcome = await this.answer(turn, live, draft);
    } catch (error) {
      outcome = await this.failure(turn, live, draft, error);
    }
    let settled: Message | null = null;
    try {
      if (outcome !== null) settled = await this.close(turn, live, outcome);
    } catch (error) {
      this.log.error({ err: error, messageId: turn.answer.id }, 'A turn could not be settled; its lease will run out');
    }
    live.end(settled);
  }

  private async answer(turn: OpenTurn, live: LiveTurn, draft: AnswerDraft): Promise<Outcome> {
    const { project, request } = turn;
    const provider = this.providers.find(project.provider);
    if (provider === null) throw new AppError('provider_not_configured');
    draft.provider = provider.name;
    draft.model = request.model ?? project.model ?? provider.defaultModel;
    const context = this.context(turn);
    draft.estimatedInputTokens = context.inputTokens;
    const options = { model: draft.model, params: { ...project.params, ...request.params } };
    await this.read(provider, context, options, live, draft);
    return draft.outcome('completed', null, await this.tokens.count(draft.text));
  }

  private async read(
    provider: LlmProvider,
    { messages }: Context,
    options: Parameters<LlmProvider['stream']>[1],
    live: LiveTurn,
    draft: AnswerDraft,
  ): Promise<void> {
    const { signal } = live.abort;
    signal.throwIfAborted();
    for await (const event of provider.stream(messages, options, signal)) {
      // An abort that comes between two events must not let the next one through.
      signal.throwIfAborted();
      const text = draft.take(event);
      if (text !== '') live.append(text);
    }
    const rest = draft.flush();
    if (rest !== '') live.append(rest);
  }

  private context({ prompts, history, question }: OpenTurn): Context {
    const entry = {
      message: { role: 'user', content: question.parts ?? question.content },
      tokens: question.contentTokens ?? 0,
    } as const;
    return buildContext({ prompts, history, question: entry, budget: this.config.contextTokens });
  }

  /** What an error makes of the turn; null when this instance may not settle it. */
  private async failure(turn: OpenTurn, live: LiveTurn, draft: AnswerDraft, error: unknown): Promise<Outcome | null> {
    const reason: unknown = live.abort.signal.reason;
    if (reason instanceof TurnAbort && reason.why !== 'stop') return null;
    const tokens = await this.tokens.count(draft.text);
    if (reason instanceof TurnAbort) return draft.outcome('stopped', null, tokens);
    const code = codeOf(error);
    const facts = { messageId: turn.answer.id, provider: draft.provider, code };
    if (code === 'internal_error') this.log.error({ ...facts, err: error }, 'A turn failed unexpectedly');
    else
      this.log.warn(
        error instanceof LlmError ? { ...facts, providerStatus: error.providerStatus } : facts,
        'A turn failed',
      );
    this.log.debug({ messageId: turn.answer.id, err: error });
    return draft.outcome('failed', code, tokens);
  }

  /** Tries until the database takes the answer, another instance has taken the turn, or it is hopeless. */
  private async close(turn: OpenTurn, live: LiveTurn, outcome: Outcome): Promise<Message | null> {
    for (const delayMs of CLOSE_RETRY_MS) {
      try {
        return await this.store.close(turn, outcome);
      } catch (error) {
        if (!(error instanceof AppError && error.code === 'database_unavailable')) throw error;
        this.log.warn({ messageId: turn.answer.id, delayMs }, 'The database did not take an answer; trying again');
        await sleep(delayMs);
        if (live.abort.signal.reason instanceof TurnAbort && live.abort.signal.reason.why === 'lost') return null;
      }
    }
    return this.store.close(turn, outcome);
  }
}

function codeOf(error: unknown): ErrorCode {
  return error instanceof LlmError || error instanceof AppError ? error.code : 'internal_error';
}
