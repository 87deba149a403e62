import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { OutboundConfig } from '../outbound/outbound.config.js';
import { Notifications } from '../database/notifications.js';
import { Watch } from '../jobs/watch.js';
import { Circuits } from './circuits.js';
import { CIRCUITS_CHANNEL, CircuitsRepository } from './circuits.repository.js';

/**
 * Tells other instances which circuits open and close here, and learns about theirs: on their notice, and every
 * CIRCUIT_POLL_MS in case a notice was lost. While the database is unavailable, each instance knows only its own circuits.
 */
@Injectable()
export class CircuitsJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(CircuitsJob.name);
  private watch: Watch | undefined;
  private telling: Promise<void> = Promise.resolve();
  private since = '0';

  constructor(
    private readonly circuits: Circuits,
    private readonly rows: CircuitsRepository,
    private readonly notifications: Notifications,
    private readonly config: OutboundConfig,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    this.circuits.onChange = (key, openMs, name) => this.tell(key, openMs, name);
    const watch = new Watch(
      () => this.refresh(),
      (error) => this.log.warn({ err: error }, 'Circuits could not be read'),
      this.config.circuitPollMs,
    );
    this.watch = watch;
    const hear = (teller: string): void => {
      if (teller !== this.rows.teller) watch.look();
    };
    await this.notifications.listen(CIRCUITS_CHANNEL, hear, () => watch.look());
    watch.look();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.telling;
    await this.watch?.end();
  }

  /** Sends changes one after another, so that the last one wins. */
  private tell(key: string, openMs: number, name: string): void {
    this.log.warn({ circuit: name, openMs }, openMs > 0 ? 'A circuit opened' : 'A circuit closed');
    this.telling = this.telling
      .then(() => this.rows.put(key, openMs))
      .catch((error: unknown) => this.log.warn({ err: error }, 'A circuit change was not sent to other instances'));
  }

  private async refresh(): Promise<void> {
    const { rows, since } = await this.rows.readSince(this.since);
    this.since = since;
    for (const { key, isOpen, remainingMs } of rows) {
      if (!isOpen) this.circuits.learn(key, 0);
      else if (remainingMs > 0) this.circuits.learn(key, remainingMs);
    }
  }
}
