import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { SchemaVersion } from '../database/schema-version.js';
import { Metrics } from '../observability/metrics.js';

/** How long a reader of the metrics waits for a database that does not answer. */
const PATIENCE_MS = 1000;

/** Whether this instance may receive work: the database answers, its schema is current, and the instance is not stopping. */
@Injectable()
export class Readiness implements OnModuleDestroy {
  private isDraining = false;

  constructor(
    private readonly schema: SchemaVersion,
    metrics: Metrics,
  ) {
    metrics.gauge('parley_ready', 'Whether the instance may get work, as /health/ready says: 1 or 0.', () => {
      const ready = this.check().then(
        () => 1,
        () => 0,
      );
      return Promise.race([ready, sleep(PATIENCE_MS, 0, { ref: false })]);
    });
  }

  onModuleDestroy(): void {
    this.isDraining = true;
  }

  /** Throws `shutting_down` or `database_unavailable`. */
  async check(): Promise<void> {
    if (this.isDraining) throw new AppError('shutting_down');
    await this.schema.requireHead();
  }
}
