import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { Bulkhead } from '../../../platform/load/bulkhead.js';
import { EventLoop } from '../../../platform/load/event-loop.js';
import { UsageRecorder } from '../../usage/public/usage-recorder.js';
import { TURN_FANOUT, type TurnFanout } from '../following/turn-fanout.js';
import { TurnContexts } from '../context/turn-contexts.js';
import { LiveTurn, TurnAbort } from '../following/live-turn.js';
import { ModelCall } from './model-call.js';
import { SessionTitles } from './session-titles.js';
import { type SavedText, TurnClaims } from '../storage/turn-claims.js';
import type { ClaimedTurn } from '../storage/turn-rows.js';
import { ledgerRefOf, type OpenTurn, type Outcome, type Settled } from '../turn.js';
import { TurnMetrics } from './turn-metrics.js';
import { TurnStore } from '../storage/turn-store.js';
import { LlmConfig } from '../../llm/public/llm.config.js';
import { ChatConfig } from '../public/chat.config.js';

/** The pauses in milliseconds between tries to write the end of a turn while the database is unavailable. */
const CLOSE_RETRY_MS = [50, 200, 500, 1000, 1000, 2000, 2000, 5000, 5000, 5000, 5000];

/** The Retry-After of an overloaded instance. */
const RETRY_AFTER_SECONDS = 2;

/**
 * How many instances may die while they run a turn before it is given up, so a request that crashes instances cannot do
 * so for ever.
 */
const MAX_CRASHES = 3;

export interface RunningTurn {
  readonly turn: OpenTurn;
  readonly live: LiveTurn;
  readonly done: Promise<void>;
  /** How much of the text is saved in the database. */
  savedLength: number;
  /**
   * The last piece sent to the database, until the write is confirmed. An unconfirmed piece is sent again unchanged, so
   * that saved pieces never overlap.
   */
  unconfirmed: SavedText | null;
}

/**
 * Runs claimed turns to their end, whether or not a client follows them: calls the model, collects the answer, settles
 * the turn, and starts the next one that waits in the session. Between OPEN and CLOSE it holds no database connection
 * and no transaction.
 */
@Injectable()
export class TurnRunner {
  private readonly log = new Logger(TurnRunner.name);
  private readonly turns = new Map<string, RunningTurn>();
  /** Work in progress that may claim turns for this instance. */
  private readonly tracked = new Set<Promise<unknown>>();
  /** Limits how many turns this instance runs at a time. */
  private readonly slots: Bulkhead;
  private isDraining = false;

  constructor(
    private readonly store: TurnStore,
    private readonly claims: TurnClaims,
    private readonly model: ModelCall,
    private readonly contexts: TurnContexts,
    private readonly titles: SessionTitles,
    private readonly usage: UsageRecorder,
    private readonly metrics: TurnMetrics,
    @Inject(TURN_FANOUT) private readonly fanout: TurnFanout,
    private readonly loop: EventLoop,
    { maxTurns }: ChatConfig,
    private readonly config: LlmConfig,
  ) {
    this.slots = new Bulkhead(maxTurns);
    metrics.watchRunning(() => this.turns.size);
  }

  /** How many more turns this instance should run. */
  get room(): number {
    return this.slots.free;
  }

  /** Whether a new turn would have to wait for a slot, or be refused. */
  get isFull(): boolean {
    return this.loop.isLate || this.slots.free === 0;
  }

  /**
   * Runs work that opens a new turn, once there is a free slot. Without one in time, throws `overloaded` before the
   * work starts. Turns that already run are not affected.
   */
  async inSlot<T>(work: () => Promise<T>): Promise<T> {
    const leave = this.loop.isLate ? null : await this.slots.enter(this.config.turnWaitMs);
    if (leave === null) throw new AppError('overloaded', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    try {
      return await this.trackUntilDrained(work);
    } finally {
      // The turn now has a slot of its own, or waits in the database.
      leave();
    }
  }

  /**
   * Runs work that claims turns for this instance; shutdown waits for it. Throws `shutting_down` after shutdown has
   * begun, because then the instance must not claim turns.
   */
  async trackUntilDrained<T>(work: () => Promise<T>): Promise<T> {
    if (this.isDraining) throw new AppError('shutting_down', { retryAfterSeconds: 1 });
    const running = work();
    this.tracked.add(running);
    try {
      return await running;
    } finally {
      this.tracked.delete(running);
    }
  }

  /**
   * Starts to run a turn. Never fails: `live.ended` tells how the turn ended.
   * @param isTakenOver whether another instance may have opened or run it before
   */
  start(turn: OpenTurn, isTakenOver = false): LiveTurn {
    const live = new LiveTurn(turn);
    const leave = this.slots.hold();
    const running: RunningTurn = {
      turn,
      live,
      done: this.run(turn, live, () => this.forget(running, leave)),
      savedLength: 0,
      unconfirmed: null,
    };
    // An earlier attempt that still runs here has lost its claim to this one.
    this.find(turn.answer.id)?.abort.abort(new TurnAbort('lost'));
    this.turns.set(turn.answer.id, running);
    // Text that is stored encrypted must not be sent in plain through the fan-out: followers read it from the database.
    if (turn.contentKey === null) this.fanout.publish(live, isTakenOver);
    this.metrics.started(isTakenOver);
    return live;
  }

  /** Runs a claimed turn that was opened earlier or elsewhere, or settles it at once if it must not run. */
  async resume(claimed: ClaimedTurn): Promise<void> {
    const turn = await this.store.reopen(claimed);
    if (turn === null) return;
    const { attempt, savedText, project } = turn;
    const isKept = attempt > 1 && savedText !== null && project.onCrash === 'keep';
    if (claimed.isStopRequested) await this.settle(turn, await this.model.cut(turn, 'stopped'));
    else if (isKept || claimed.crashes >= MAX_CRASHES)
      await this.settle(turn, await this.model.cut(turn, 'interrupted'));
    else this.start(turn, true);
  }

  /** Runs the next turn that waits in a session, if no other one runs there. */
  async startNext(actor: Pick<Actor, 'userId'>, sessionId: string): Promise<void> {
    // Other instances are notified when this one releases its turns.
    if (this.isDraining) return;
    await this.trackUntilDrained(async () => {
      const next = await this.claims.claimNext(actor, sessionId);
      if (next !== null) await this.resume(next);
    });
  }

  /** The turn, when this instance runs it. */
  find(messageId: string): LiveTurn | null {
    return this.turns.get(messageId)?.live ?? null;
  }

  running(): RunningTurn[] {
    return [...this.turns.values()];
  }

  /** Stops accepting turns and waits for the running ones. False when some still run after the grace period. */
  async drain(graceMs: number): Promise<boolean> {
    this.isDraining = true;
    return Promise.race([this.idle(), sleep(graceMs, false, { ref: false })]);
  }

  private async idle(): Promise<true> {
    while (this.turns.size > 0 || this.tracked.size > 0) {
      await Promise.allSettled([...this.tracked, ...this.running().map(({ done }) => done)]);
    }
    return true;
  }

  /** Aborts all running turns without settling them, so other instances can take them over. */
  async abandon(): Promise<void> {
    const left = this.running();
    for (const { live } of left) live.abort.abort(new TurnAbort('release'));
    await Promise.race([Promise.all(left.map(({ done }) => done)), sleep(2000, undefined, { ref: false })]);
  }

  private forget({ turn, live }: RunningTurn, leave: () => void): void {
    leave();
    if (this.turns.get(turn.answer.id)?.live === live) this.turns.delete(turn.answer.id);
  }

  private async run(turn: OpenTurn, live: LiveTurn, forget: () => void): Promise<void> {
    let settled: Settled | null = null;
    try {
      const outcome = await this.model.run(turn, live);
      if (outcome !== null && outcome.status !== 'interrupted') settled = await this.settle(turn, outcome, live);
      // The turn was taken over or deleted with its session. If it was deleted, only this instance knows its usage.
      if (outcome !== null && settled === null) {
        this.inBackground(this.usage.recordDeletedTurn(ledgerRefOf(turn), outcome.attempts));
      }
    } catch (error) {
      this.log.error({ err: error, messageId: turn.answer.id }, 'A turn could not be settled; its lease will run out');
    }
    forget();
    live.end(settled?.answer ?? null);
  }

  /** Writes the end of a turn, and starts the work and the turn that waited for it. */
  private async settle(turn: OpenTurn, outcome: Outcome, live?: LiveTurn): Promise<Settled | null> {
    const settled = await this.close(turn, outcome, live);
    if (settled === null) return null;
    this.metrics.settled(outcome, live ?? null);
    const { userId, sessionId, id } = turn.answer;
    const wasSaved = (this.turns.get(id)?.savedLength ?? 0) > 0;
    if (wasSaved || turn.attempt > 1) this.inBackground(this.claims.notifyEnd(id));
    this.inBackground(this.titles.name(turn, settled.answer, outcome.attempts.at(-1) ?? null));
    this.inBackground(this.contexts.lookAhead(turn, settled.answer));
    if (settled.hasNext) this.inBackground(this.startNext({ userId }, sessionId));
    return settled;
  }

  /** Retries until the end is written, another instance has taken the turn, or the retries are used up. */
  private async close(turn: OpenTurn, outcome: Outcome, live: LiveTurn | undefined): Promise<Settled | null> {
    for (let tries = 0; ; tries++) {
      try {
        const isLost = tries > 0 && live !== undefined && TurnAbort.isLost(live.abort.signal);
        const settled = isLost ? null : await this.store.close(turn, outcome);
        return settled ?? (tries > 0 ? await this.store.findSettled(turn) : null);
      } catch (error) {
        const delayMs = CLOSE_RETRY_MS[tries];
        const isWorthATry = error instanceof AppError && error.code === 'database_unavailable';
        if (!isWorthATry || delayMs === undefined) throw error;
        this.log.warn({ messageId: turn.answer.id, delayMs }, 'The database did not take an answer; trying again');
        await sleep(delayMs);
      }
    }
  }

  /** Runs follow-up work. If the next turn cannot be started now, the sweep starts it later. */
  private inBackground(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.log.warn({ err: error }, 'Follow-up work of a turn failed'));
  }
}
