import { setTimeout as sleep } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ServerConfig } from '../../../platform/config/server.config.js';
import { Notifications } from '../../../platform/database/notifications.js';
import { TURN_CHANNEL } from '../../projects/public/turn-removal.js';
import { type LiveTurn, TurnAbort } from '../following/live-turn.js';
import { encryptText } from '../storage/encrypted-content.js';
import { type SavedText, TurnClaims } from '../storage/turn-claims.js';
import type { ClaimedTurn } from '../storage/turn-rows.js';
import { TurnMetrics } from './turn-metrics.js';
import { TurnMirrors } from '../following/turn-mirrors.js';
import { parseNotice } from '../following/turn-notices.js';
import { type RunningTurn, TurnRunner } from './turn-runner.js';
import { ChatConfig } from '../public/chat.config.js';

const BATCH = 20;
/** How long the end of the server waits for takeovers that have begun. */
const TAKEOVER_WAIT_MS = 2000;

/**
 * Keeps this instance's turns alive and everybody's going: renews leases, saves the text of running answers, takes over
 * the turns of instances that have died, and hears what other instances have to say. When the database is away it
 * waits: nobody else can take a claim meanwhile either, and a lease that has run out is noticed at the next renewal.
 */
@Injectable()
export class TurnKeeperJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(TurnKeeperJob.name);
  private readonly timers = new Set<NodeJS.Timeout>();
  private isLeaving = false;
  private isStopped = false;
  /** Claims that have been taken over and do not run yet: they must not run out meanwhile. */
  private readonly resuming = new Set<string>();
  /** The takeovers that have begun. */
  private takeovers: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly claims: TurnClaims,
    private readonly runner: TurnRunner,
    private readonly mirrors: TurnMirrors,
    private readonly metrics: TurnMetrics,
    private readonly notifications: Notifications,
    private readonly config: ChatConfig,
    private readonly server: ServerConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.notifications.listen(
      TURN_CHANNEL,
      (payload) => this.hear(payload),
      () => this.mirrors.lookAtAll(),
    );
    const { turnLeaseMs, turnSweepMs, turnFlushMs } = this.config;
    this.every(turnLeaseMs / 3, () => this.renew());
    this.every(turnFlushMs, () => this.save());
    this.every(turnSweepMs, () => this.takeOver());
    this.safely(this.takeOver());
  }

  /** Running answers get a grace period; what is not finished then is saved and handed to the other instances. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isLeaving = true;
    // One that is under way could otherwise claim back what is handed over below, for a whole lease.
    await Promise.race([this.takeovers, sleep(TAKEOVER_WAIT_MS, undefined, { ref: false })]);
    const isDone = await this.runner.drain(this.server.shutdownGraceMs);
    this.isStopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.mirrors.close();
    if (!isDone) {
      await this.save().catch(() => undefined);
      await this.runner.abandon();
    }
    // Also when nothing runs: a claim whose answer got lost is ours too, and turns may wait behind one that has ended.
    await this.claims.release().catch((error: unknown) => this.log.warn({ err: error }, 'Leases were not handed back'));
  }

  /** Also learns what others asked of our turns: stops, and takeovers that we have not noticed. */
  async renew(): Promise<void> {
    const mine = this.runner.running();
    const claimIds = [...mine.map(({ turn }) => turn.claimId), ...this.resuming];
    if (claimIds.length === 0) return;
    const held = await this.claims.renew(claimIds);
    const leases = new Map(held.map((lease) => [lease.messageId, lease]));
    for (const { turn, live } of mine) {
      const lease = leases.get(turn.answer.id);
      // A turn without a lease may also have settled just now; then nobody listens to this any more.
      if (lease?.claimId !== turn.claimId) this.lose(live);
      else if (lease.isStopRequested) live.abort.abort(new TurnAbort('stop'));
    }
  }

  /** Makes the new text of all running answers safe in one write. */
  async save(): Promise<void> {
    const behind = this.runner.running().filter(({ live, savedLength }) => live.length > savedLength);
    if (behind.length === 0) return;
    const sent = behind.map((running) => ({ running, saved: (running.unconfirmed ??= toSavedText(running)) }));
    const written = await this.claims.save(sent.map(({ saved }) => saved));
    for (const { running, saved } of sent) {
      const { messageId, startOffset, text } = saved;
      running.unconfirmed = null;
      if (written.has(messageId)) running.savedLength = startOffset + text.length;
      // Taken over, deleted with its session, or just settled: then nobody listens to this any more.
      else this.lose(running.live);
    }
  }

  async takeOver(): Promise<void> {
    if (this.isLeaving) return;
    const takeover = this.takeOverExpired();
    // The results are dropped, or each look would keep those of all before it.
    this.takeovers = Promise.allSettled([this.takeovers, takeover]).then(() => undefined);
    return takeover;
  }

  private async takeOverExpired(): Promise<void> {
    // Our own come first: after a stall it may be our leases that have run out, and nobody has taken them yet.
    await this.renew();
    // What there is no room for here waits for another instance, or for the next look.
    let isMore = true;
    while (isMore && this.runner.room > 0 && !this.isLeaving) {
      const batch = Math.min(BATCH, this.runner.room);
      const expired = await this.claims.claimExpired(batch);
      isMore = expired.length === batch;
      for (const { claimId } of expired) this.resuming.add(claimId);
      for (const turn of expired) await this.resume(turn);
    }
    if (this.runner.room === 0) return;
    for (const { userId, sessionId } of await this.claims.findStranded(Math.min(BATCH, this.runner.room))) {
      await this.runner
        .startNext({ userId }, sessionId)
        .catch((error: unknown) => this.log.warn({ sessionId, err: error }, 'A waiting turn could not be started'));
    }
  }

  private async resume(turn: ClaimedTurn): Promise<void> {
    const { messageId, claimId, attempt } = turn;
    this.log.log({ messageId, attempt }, 'Taking over a turn');
    this.metrics.takeover();
    try {
      await this.runner.resume(turn);
    } catch (error) {
      // One that cannot be taken must not keep the others of its batch waiting.
      this.log.warn({ messageId, err: error }, 'A turn could not be taken over');
    } finally {
      this.resuming.delete(claimId);
    }
  }

  private lose({ abort }: LiveTurn): void {
    if (abort.signal.aborted) return;
    abort.abort(new TurnAbort('lost'));
    this.metrics.leaseLost();
  }

  private hear(payload: string): void {
    const notice = parseNotice(payload);
    if (notice === null || this.isStopped) return;
    if (notice.kind === 'free') this.safely(this.takeOver());
    else if (notice.kind === 'end') this.mirrors.look(notice);
    else if (notice.kind === 'text') this.mirrors.look(notice);
    else if (notice.owner === this.claims.owner) this.safely(this.renew());
  }

  /** Again and again, each time after the last has ended; jitter keeps instances from asking together. */
  private every(periodMs: number, job: () => Promise<void>): void {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        void job()
          .catch((error: unknown) => this.log.warn({ err: error }, 'A look after turns failed'))
          .finally(() => {
            if (!this.isStopped) this.every(periodMs, job);
          });
      },
      periodMs * (0.75 + Math.random() / 4),
    );
    timer.unref();
    this.timers.add(timer);
  }

  private safely(work: Promise<void>): void {
    work.catch((error: unknown) => this.log.warn({ err: error }, 'A look after turns failed'));
  }
}

function toSavedText({ turn, live, savedLength }: RunningTurn): SavedText {
  const { claimId, attempt, answer, contentKey } = turn;
  const text = live.textFrom(savedLength);
  return {
    userId: answer.userId,
    messageId: answer.id,
    claimId,
    attempt,
    startOffset: savedLength,
    text,
    sealed: encryptText(contentKey, answer.id, attempt, savedLength, text),
  };
}
