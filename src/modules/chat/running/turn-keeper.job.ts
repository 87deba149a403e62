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
/** How long shutdown waits for takeovers in progress. */
const TAKEOVER_WAIT_MS = 2000;

/**
 * Maintains turns: renews the leases of this instance, saves the text of running answers, takes over the turns of
 * instances that have died, and handles notifications of other instances. While the database is unavailable it waits:
 * no other instance can take a claim in that time, and the next renewal detects a lost lease.
 */
@Injectable()
export class TurnKeeperJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(TurnKeeperJob.name);
  private readonly timers = new Set<NodeJS.Timeout>();
  private isLeaving = false;
  private isStopped = false;
  /** Claims that were taken over but do not run yet. Their leases must be renewed too. */
  private readonly resuming = new Set<string>();
  /** The takeovers in progress. */
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

  /** Gives running answers a grace period, then saves unfinished ones and releases them to other instances. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isLeaving = true;
    // A takeover in progress could otherwise claim a turn that is released below, for a whole lease.
    await Promise.race([this.takeovers, sleep(TAKEOVER_WAIT_MS, undefined, { ref: false })]);
    const isDone = await this.runner.drain(this.server.shutdownGraceMs);
    this.isStopped = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.mirrors.close();
    if (!isDone) {
      await this.save().catch(() => undefined);
      await this.runner.abandon();
    }
    // Release even when nothing runs: this instance may hold a claim whose confirmation got lost, and turns may wait
    // behind one that has ended.
    await this.claims.release().catch((error: unknown) => this.log.warn({ err: error }, 'Leases were not handed back'));
  }

  /** Renews leases. Also detects stop requests and turns that other instances have taken over. */
  async renew(): Promise<void> {
    const mine = this.runner.running();
    const claimIds = [...mine.map(({ turn }) => turn.claimId), ...this.resuming];
    if (claimIds.length === 0) return;
    const held = await this.claims.renew(claimIds);
    const leases = new Map(held.map((lease) => [lease.messageId, lease]));
    for (const { turn, live } of mine) {
      const lease = leases.get(turn.answer.id);
      // A turn without a lease may also have just settled; then the abort has no effect.
      if (lease?.claimId !== turn.claimId) this.lose(live);
      else if (lease.isStopRequested) live.abort.abort(new TurnAbort('stop'));
    }
  }

  /** Saves the new text of all running answers in one write. */
  async save(): Promise<void> {
    const behind = this.runner.running().filter(({ live, savedLength }) => live.length > savedLength);
    if (behind.length === 0) return;
    const sent = behind.map((running) => ({ running, saved: (running.unconfirmed ??= toSavedText(running)) }));
    const written = await this.claims.save(sent.map(({ saved }) => saved));
    for (const { running, saved } of sent) {
      const { messageId, startOffset, text } = saved;
      running.unconfirmed = null;
      if (written.has(messageId)) running.savedLength = startOffset + text.length;
      // Taken over, deleted with its session, or just settled; then the abort has no effect.
      else this.lose(running.live);
    }
  }

  async takeOver(): Promise<void> {
    if (this.isLeaving) return;
    const takeover = this.takeOverExpired();
    // Drop the results, or each takeover would keep those of all earlier ones.
    this.takeovers = Promise.allSettled([this.takeovers, takeover]).then(() => undefined);
    return takeover;
  }

  private async takeOverExpired(): Promise<void> {
    // Renew our own leases first: after a stall they may have expired without being taken over.
    await this.renew();
    // Turns without room here wait for another instance or for the next sweep.
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
      // One failed takeover must not delay the others of its batch.
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

  /** Runs a job periodically, without overlap. Jitter keeps instances from running it at the same time. */
  private every(periodMs: number, job: () => Promise<void>): void {
    const timer = setTimeout(
      () => {
        this.timers.delete(timer);
        void job()
          .catch((error: unknown) => this.log.warn({ err: error }, 'A periodic check of turns failed'))
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
    work.catch((error: unknown) => this.log.warn({ err: error }, 'A periodic check of turns failed'));
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
