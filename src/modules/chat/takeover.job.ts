import { Injectable, Logger, type OnApplicationBootstrap, type BeforeApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../../platform/config/app-config.js';
import { AnswerDraft } from './answer-draft.js';
import { TurnAbort } from './live-turn.js';
import { TurnRunner } from './turn-runner.js';
import { type ExpiredTurn, TurnStore } from './turn-store.js';

/** How often a turn is run before it is given up: a request that kills instances must not kill them for ever. */
const MAX_ATTEMPTS = 3;
const BATCH = 20;

/**
 * Keeps this instance's claims alive and takes over those of instances that have died. When the database is away both
 * wait: nobody else can take a claim either, and a lease that has run out is noticed at the next renewal.
 */
@Injectable()
export class TakeoverJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(TakeoverJob.name);
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly store: TurnStore,
    private readonly runner: TurnRunner,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    this.every(this.config.turnLeaseMs / 3, () => this.renew());
    this.every(this.config.turnSweepMs, () => this.takeOver());
    void this.takeOver().catch((error: unknown) =>
      this.log.warn({ err: error }, 'The first look for lost turns failed'),
    );
  }

  beforeApplicationShutdown(): void {
    for (const timer of this.timers) clearTimeout(timer);
  }

  /** Also carries what others asked of our turns: stops, and takeovers that we have not noticed. */
  async renew(): Promise<void> {
    const mine = this.runner.claims();
    if (mine.length === 0) return;
    const leases = new Map((await this.store.renewLeases()).map((lease) => [lease.messageId, lease]));
    for (const { messageId, claimId, live } of mine) {
      const lease = leases.get(messageId);
      if (lease?.claimId === claimId && lease.isStopRequested) live.abort.abort(new TurnAbort('stop'));
      // A turn without a lease may also have settled just now; then nobody listens to this any more.
      if (lease?.claimId !== claimId) live.abort.abort(new TurnAbort('lost'));
    }
  }

  async takeOver(): Promise<void> {
    const expired = await this.store.claimExpired(BATCH);
    await Promise.all(expired.map((turn) => this.takeOverOne(turn)));
  }

  private async takeOverOne(expired: ExpiredTurn): Promise<void> {
    this.log.log({ messageId: expired.messageId, attempt: expired.attempt }, 'Taking over a turn');
    const turn = await this.store.reopen(expired);
    if (expired.isStopRequested) await this.store.close(turn, new AnswerDraft().outcome('stopped', null, 0));
    else if (expired.attempt > MAX_ATTEMPTS) {
      await this.store.close(turn, new AnswerDraft().outcome('interrupted', 'turn_interrupted', 0));
    } else this.runner.start(turn);
  }

  /** A quarter of jitter keeps instances that started together from asking together. */
  private every(periodMs: number, job: () => Promise<void>): void {
    const timer = setInterval(
      () => void job().catch((error: unknown) => this.log.warn({ err: error }, 'A look after turns failed')),
      periodMs * (0.75 + Math.random() / 4),
    );
    timer.unref();
    this.timers.push(timer);
  }
}
