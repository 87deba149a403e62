import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';
import { Notifications } from '../database/notifications.js';
import { Revocations } from './revocations.js';
import { REVOCATIONS_CHANNEL, RevocationsRepository } from './revocations.repository.js';

const SWEEP_MS = 3_600_000;

/**
 * Keeps this instance's knowledge of revocations fresh: all of them before it answers its first request, then whenever
 * another instance says so, and every REVOCATION_POLL_MS in case nobody could. While the database is away nothing new is
 * learned, but then nothing can be read with an old token either.
 */
@Injectable()
export class RevocationsJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(RevocationsJob.name);
  private readonly timers: NodeJS.Timeout[] = [];
  private looking: Promise<void> | undefined;
  private isToldAgain = false;

  constructor(
    private readonly revocations: Revocations,
    private readonly rows: RevocationsRepository,
    private readonly notifications: Notifications,
    private readonly config: AppConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.notifications.listen(REVOCATIONS_CHANNEL, () => this.look());
    await this.revocations.refresh();
    this.every(this.config.revocationPollMs, () => this.look());
    this.every(SWEEP_MS * (0.75 + Math.random() / 4), () => this.sweep());
  }

  async onApplicationShutdown(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.looking;
  }

  /** One look at a time; what is told meanwhile makes one more. */
  private look(): void {
    if (this.looking !== undefined) {
      this.isToldAgain = true;
      return;
    }
    this.looking = this.revocations
      .refresh()
      .catch((error: unknown) => this.log.warn({ err: error }, 'Revocations could not be read'))
      .finally(() => {
        this.looking = undefined;
        if (!this.isToldAgain) return;
        this.isToldAgain = false;
        this.look();
      });
  }

  private sweep(): void {
    this.rows.sweep().catch((error: unknown) => this.log.warn({ err: error }, 'Old revocations were not removed'));
  }

  private every(ms: number, work: () => void): void {
    const timer = setInterval(work, ms);
    timer.unref();
    this.timers.push(timer);
  }
}
