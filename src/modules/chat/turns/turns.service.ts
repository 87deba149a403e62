import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { checkSameRequest, type IdempotencyKey } from '../../../platform/idempotency/idempotency-key.js';
import { IdempotencyRepository } from '../../../platform/idempotency/idempotency.repository.js';
import type { Allowance } from '../../../platform/rate-limit/rate-limiter.js';
import { TokenCounter } from '../../../platform/tokens/token-counter.js';
import type { BudgetWarning } from '../../usage/public/budgets.js';
import { IMAGE_TOKENS } from '../context/context-builder.js';
import { LiveTurn, TurnAbort } from '../following/live-turn.js';
import { splitContent, type SplitContent, toContentParts } from '../messages/message-content.decorator.js';
import type { Message } from '../message.entity.js';
import { errorOf } from '../messages/message.presenter.js';
import { TurnClaims } from '../storage/turn-claims.js';
import { TurnMirrors } from '../following/turn-mirrors.js';
import { TurnRunner } from '../running/turn-runner.js';
import type { MessageContent, OpenOptions, OpenTurn, TurnRequest } from '../turn.js';
import { TurnStore } from '../storage/turn-store.js';
import { PromptsConfig } from '../../prompts/public/prompts.config.js';
import { ChatConfig } from '../public/chat.config.js';
import { MissingIds } from './missing-ids.js';
import type { AnswerOptions, StreamMessageRequest } from './turn.dto.js';

/** How long a stop request waits for the turn to end. After that it returns the message in its current state. */
const STOP_WAIT_MS = 15_000;
const TITLE_LENGTH = 60;

/** A started turn with the facts for its sender. */
export interface BegunTurn {
  readonly turn: LiveTurn;
  /** Whether an earlier request with the same key started it. */
  readonly isReplay: boolean;
  /** The remaining allowances of the limits that it was charged to. */
  readonly allowances: readonly Allowance[];
  /** Budgets that are nearly used up; empty for a replay. */
  readonly budgetWarnings: readonly BudgetWarning[];
}

@Injectable()
export class TurnsService {
  constructor(
    private readonly store: TurnStore,
    private readonly runner: TurnRunner,
    private readonly claims: TurnClaims,
    private readonly mirrors: TurnMirrors,
    private readonly keptRequests: IdempotencyRepository,
    private readonly missing: MissingIds,
    private readonly tokens: TokenCounter,
    private readonly config: ChatConfig,
    private readonly prompts: PromptsConfig,
  ) {}

  /** Stores the question and starts the turn, which runs to its end whether or not a client follows it. */
  async send(actor: Actor, request: StreamMessageRequest, idempotencyKey: IdempotencyKey | null): Promise<BegunTurn> {
    const content = this.contentOf(request);
    const { parent_id: parentId } = request;
    const [sessionId, projectId] = [request.session_id ?? undefined, request.project_id ?? undefined];
    if (sessionId === undefined && parentId != null) throw AppError.invalid('/parent_id', 'needs session_id');
    const place =
      sessionId === undefined
        ? { projectId: projectId as string }
        : { sessionId, projectId: projectId ?? null, parentId };
    const options = { policy: request.on_conflict ?? null, idempotencyKey };
    try {
      return await this.begin(
        actor,
        options,
        () => this.measure(actor, content),
        (measured) => this.store.open(actor, place, measured, toTurnRequest(request), options),
      );
    } catch (error) {
      throw await this.missing.explain(error, actor, request);
    }
  }

  /** Starts another answer to the same question. The existing answer is kept. */
  async regenerate(
    actor: Actor,
    messageId: string,
    request: AnswerOptions,
    idempotencyKey: IdempotencyKey | null,
  ): Promise<BegunTurn> {
    const options = { policy: request.on_conflict ?? null, idempotencyKey };
    return this.begin(
      actor,
      options,
      () => null,
      () => this.store.openSibling(actor, messageId, toTurnRequest(request), options),
    );
  }

  /** Follows a turn that runs on any instance, waits, or has ended. */
  async follow(actor: Actor, messageId: string): Promise<LiveTurn> {
    // Read as the actor first, because the turns in memory belong to all users.
    const turn = await this.store.findTurn(actor, messageId);
    if (turn === null) throw new AppError('not_found');
    const { question, answer } = turn;
    if (answer.completedAt !== null) return LiveTurn.past(question, answer);
    return this.runner.find(messageId) ?? this.mirrors.follow(actor, question, answer);
  }

  /** Stops a turn, keeps its text, and returns the answer. A turn that has ended is not changed. */
  async stop(actor: Actor, message: Message): Promise<Message> {
    if (message.completedAt !== null) return message;
    const { id: messageId } = message;
    const state = await this.claims.requestStop(actor, messageId);
    this.runner.find(messageId)?.abort.abort(new TurnAbort('stop'));
    const waiting = state === 'waiting' ? await this.claims.claimWaiting(actor, messageId) : null;
    if (waiting !== null) await this.runner.resume({ ...waiting, isStopRequested: true });
    const untilMs = Date.now() + STOP_WAIT_MS;
    // A turn that ends here without settling continues on another instance, which knows of the stop request.
    const settled =
      (await this.untilEnd(actor, messageId, untilMs)) ?? (await this.untilEnd(actor, messageId, untilMs));
    return settled ?? (await this.store.findMessage(actor, messageId)) ?? message;
  }

  /** The settled answer of a turn; throws its error when it has none. */
  async finish(actor: Actor, turn: LiveTurn): Promise<Message> {
    const { answer } = turn.started;
    turn.isAwaited = true;
    // A turn that ended here without an answer may still have settled, or continue on another instance.
    const message = (await turn.ended) ?? (await this.store.findMessage(actor, answer.id));
    // The message was deleted with its session while it was being written.
    if (message === null) throw new AppError('not_found');
    if (message.completedAt === null) throw new AppError('turn_interrupted', { retryAfterSeconds: 1 });
    const error = errorOf(message, turn.retryAfterSeconds);
    if (error !== null) throw error;
    return message;
  }

  /** The settled answer; null when this instance does not learn of it in time. */
  private async untilEnd(actor: Actor, messageId: string, untilMs: number): Promise<Message | null> {
    const live = await this.follow(actor, messageId);
    live.isAwaited = true;
    return Promise.race([live.ended, sleep(untilMs - Date.now(), null, { ref: false })]);
  }

  /**
   * Opens a turn and runs or queues it, or finds the turn that an earlier request with the same key opened.
   * @param measure prepares the input of `open`; it may take long, so the turn gets a slot first
   */
  private async begin<T>(
    actor: Actor,
    { idempotencyKey }: OpenOptions,
    measure: () => T | Promise<T>,
    open: (measured: T) => Promise<OpenTurn>,
  ): Promise<BegunTurn> {
    // A replay needs no slot, so it does not wait for one and is not refused. When a slot is free, OPEN itself detects
    // a replay.
    const begun = this.runner.isFull ? await this.findBegun(actor, idempotencyKey) : null;
    if (begun !== null) return begun;
    try {
      return await this.runner.inSlot(async () => {
        const measured = await measure();
        const askedAt = performance.now();
        const opened = await open(measured);
        const { allowances, budgetWarnings } = opened;
        const isOurs = opened.isRunning && performance.now() - askedAt < this.config.turnLeaseMs;
        return { turn: await this.startOrFollow(actor, opened, isOurs), isReplay: false, allowances, budgetWarnings };
      });
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found' && idempotencyKey !== null) {
        // Nothing was written, so free the key for a later request.
        await this.store.releaseKey(actor, idempotencyKey);
      }
      const isRepeat = error instanceof AppError && error.code === 'idempotency_key_in_use';
      const repeated = isRepeat ? await this.findBegun(actor, idempotencyKey) : null;
      if (repeated === null) throw error;
      return repeated;
    }
  }

  /**
   * The turn that an earlier request with this key started. Throws `idempotency_key_reused` when that request was
   * different.
   */
  private async findBegun(actor: Actor, idempotencyKey: IdempotencyKey | null): Promise<BegunTurn | null> {
    const kept = idempotencyKey === null ? null : await this.keptRequests.findKept(actor.userId, idempotencyKey);
    if (idempotencyKey === null || kept === null || kept.messageId === null) return null;
    checkSameRequest(kept, idempotencyKey);
    const turn = await this.follow(actor, kept.messageId);
    return { turn, isReplay: true, allowances: [], budgetWarnings: [] };
  }

  /**
   * @param isOurs whether it may run here; false when the database responded after the lease had expired, because
   *   another instance may have taken the turn
   */
  private async startOrFollow(actor: Actor, turn: OpenTurn, isOurs: boolean): Promise<LiveTurn> {
    for (const messageId of turn.interrupted) this.runner.find(messageId)?.abort.abort(new TurnAbort('stop'));
    if (isOurs) return this.runner.start(turn);
    const live = this.mirrors.follow(actor, turn.question, turn.answer);
    // The running turn may have ended before this one was queued.
    await this.runner.startNext(actor, turn.answer.sessionId);
    return this.runner.find(turn.answer.id) ?? live;
  }

  private contentOf({ message, parts }: StreamMessageRequest): SplitContent {
    if (message !== undefined && parts !== undefined) throw AppError.invalid('/parts', 'cannot be sent with message');
    const content = splitContent(message ?? toContentParts(parts ?? []));
    const max = this.prompts.messageMaxChars;
    if (content.text.length > max) {
      throw AppError.invalid(message === undefined ? '/parts' : '/message', `must be at most ${max} characters`);
    }
    return content;
  }

  private async measure({ userId }: Actor, { text, parts, images }: SplitContent): Promise<MessageContent> {
    const tokens = (await this.tokens.countSent(text, { userId })) + images * IMAGE_TOKENS;
    return { content: text, parts, tokens, title: titleOf(text) };
  }
}

function toTurnRequest({ model, params }: AnswerOptions): TurnRequest {
  return { model: model ?? null, params: params ?? {} };
}

/** The title of a session, from the beginning of its first message: one line, cut between words if possible. */
function titleOf(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  if (line.length <= TITLE_LENGTH) return line === '' ? 'Image' : line;
  const cut = line.slice(0, TITLE_LENGTH - 1).toWellFormed();
  return `${cut.slice(0, cut.lastIndexOf(' ') > TITLE_LENGTH / 2 ? cut.lastIndexOf(' ') : undefined)}…`;
}
