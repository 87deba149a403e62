import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CryptoConfig } from '../crypto/crypto.config.js';
import { Notifications } from '../database/notifications.js';
import { Sweeps } from '../jobs/sweeps.js';
import { Watch } from '../jobs/watch.js';
import { Revocations } from './revocations.js';
import { REVOCATIONS_CHANNEL, RevocationsRepository } from './revocations.repository.js';

const SWEEP_MS = 3_600_000;

/**
 * Keeps this instance's revocations current: it loads all of them before the first request, then the new ones when another
 * instance sends a notice, and every REVOCATION_POLL_MS in case a notice was lost. While the database is unavailable it learns
 * of no new revocations, but a revoked token cannot read any data then either.
 */
@Injectable()
export class RevocationsJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(RevocationsJob.name);
  private watch: Watch | undefined;

  constructor(
    private readonly revocations: Revocations,
    private readonly rows: RevocationsRepository,
    private readonly notifications: Notifications,
    private readonly sweeps: Sweeps,
    private readonly config: CryptoConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const look = (): void => this.watch?.look();
    await this.notifications.listen(REVOCATIONS_CHANNEL, look, look);
    await this.revocations.refresh();
    this.watch = new Watch(
      () => this.revocations.refresh(),
      (error) => this.log.warn({ err: error }, 'Revocations could not be read'),
      this.config.revocationPollMs,
    );
    // Notices may have arrived before there was a watch.
    this.watch.look();
    this.sweeps.every(SWEEP_MS, 'Old revocations were not removed', () => this.rows.sweep());
  }

  async onApplicationShutdown(): Promise<void> {
    await this.watch?.end();
  }
}
