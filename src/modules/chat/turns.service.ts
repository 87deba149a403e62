import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { TokenCounter } from '../../platform/tokens/token-counter.js';
import { IMAGE_TOKENS } from './context/context-builder.js';
import { LiveTurn, TurnAbort } from './live-turn.js';
import { splitContent } from './message-content.decorator.js';
import type { Message } from './message.entity.js';
import { TurnRunner } from './turn-runner.js';
import { type MessageContent, type TurnRequest, TurnStore } from './turn-store.js';
import type { AnswerOptions, SendMessageRequest } from './turn.dto.js';

/** How long a turn of another instance is watched for its end, and how often. */
const WATCH_MS = 100;
const STOP_WAIT_MS = 15_000;

@Injectable()
export class TurnsService {
  constructor(
    private readonly store: TurnStore,
    private readonly runner: TurnRunner,
    private readonly tokens: TokenCounter,
    private readonly config: AppConfig,
  ) {}

  /** Stores the question and sets the turn going; it runs to its end whether or not anybody follows it. */
  async send(actor: Actor, request: SendMessageRequest): Promise<LiveTurn> {
    this.runner.requireOpen();
    const content = await this.measure(request.message);
    const { session_id: sessionId, project_id: projectId, parent_id: parentId } = request;
    if (sessionId === undefined && parentId != null) throw AppError.invalid('/parent_id', 'needs session_id');
    const place =
      sessionId === undefined
        ? { projectId: projectId as string }
        : { sessionId, projectId: projectId ?? null, parentId };
    return this.runner.start(await this.store.open(actor, place, content, toTurnRequest(request)));
  }

  /** Sets another answer to the same question going, beside the one there is. */
  async regenerate(actor: Actor, messageId: string, options: AnswerOptions): Promise<LiveTurn> {
    this.runner.requireOpen();
    return this.runner.start(await this.store.openSibling(actor, messageId, toTurnRequest(options)));
  }

  /** A turn to read along, running or over. */
  async follow(actor: Actor, messageId: string): Promise<LiveTurn> {
    const turn = await this.store.findTurn(actor, messageId);
    if (turn === null) throw new AppError('not_found');
    const live = this.runner.find(messageId);
    if (live !== null) return live;
    if (turn.answer.completedAt !== null) return LiveTurn.past(turn.question, turn.answer);
    return this.watch(actor, turn);
  }

  /** Stops a turn, keeps its text, and answers with what has become of it; a turn that is over stays as it is. */
  async stop(actor: Actor, messageId: string): Promise<Message> {
    // Read as the actor first: the turns in memory are everybody's.
    const message = await this.store.findMessage(actor, messageId);
    if (message === null) throw new AppError('not_found');
    if (message.completedAt !== null) return message;
    await this.store.requestStop(actor, messageId);
    this.runner.find(messageId)?.abort.abort(new TurnAbort('stop'));
    return (await this.settled(actor, messageId, STOP_WAIT_MS)) ?? message;
  }

  /** The settled answer of a turn that was set going here; throws its error when it has none. */
  async finish(actor: Actor, turn: LiveTurn): Promise<Message> {
    const { answer } = turn.started;
    const message = (await turn.ended) ?? (await this.settled(actor, answer.id, 0));
    if (message === null) throw new AppError('turn_interrupted', { retryAfterSeconds: 1 });
    if (message.errorCode !== null) throw new AppError(message.errorCode);
    return message;
  }

  private async settled(actor: Actor, messageId: string, waitMs: number): Promise<Message | null> {
    const deadline = Date.now() + waitMs;
    for (;;) {
      await this.runner.find(messageId)?.ended;
      const message = await this.store.findMessage(actor, messageId);
      if (message?.completedAt != null) return message;
      if (Date.now() >= deadline) return null;
      await sleep(WATCH_MS);
    }
  }

  /** Follows a turn that another instance runs, by its end in the database. */
  private watch(actor: Actor, { question, answer }: { question: Message; answer: Message }): LiveTurn {
    const live = new LiveTurn({ question, answer, attempt: 1 });
    void this.settled(actor, answer.id, this.config.llmTotalTimeoutMs)
      .catch(() => null)
      .then((message) => {
        live.append(message?.content ?? '');
        live.end(message);
      });
    return live;
  }

  private async measure(message: SendMessageRequest['message']): Promise<MessageContent> {
    const { text, parts, images } = splitContent(message);
    const max = this.config.messageMaxChars;
    if (text.length > max) throw AppError.invalid('/message', `must be at most ${max} characters`);
    return { content: text, parts, tokens: (await this.tokens.count(text)) + images * IMAGE_TOKENS };
  }
}

function toTurnRequest({ model, params }: AnswerOptions): TurnRequest {
  return { model: model ?? null, params: params ?? {} };
}
