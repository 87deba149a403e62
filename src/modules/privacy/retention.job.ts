import { Injectable, Logger } from '@nestjs/common';
import { PrivacyConfig } from './public/privacy.config.js';
import { Sweeps } from '../../platform/jobs/sweeps.js';
import { Retention } from './public/retention.js';

/** How often each instance checks whether the run is due. */
const LOOK_MS = 600_000;

/**
 * Applies the retention of projects once a night, on the instance that checks first. Failed projects are tried again
 * the next night.
 */
@Injectable()
export class RetentionJob {
  private readonly log = new Logger(RetentionJob.name);

  constructor(
    sweeps: Sweeps,
    private readonly retention: Retention,
    private readonly config: PrivacyConfig,
  ) {
    sweeps.every(LOOK_MS, 'Retention was not applied', () => this.look());
  }

  async look(): Promise<void> {
    const result = await this.retention.run(this.config.retentionHourUtc);
    if (result === null) return;
    const { failed, reasons, ...counts } = result;
    this.log.log(counts, 'Retention was applied');
    if (failed > 0) this.log.warn({ failed, reasons }, 'Retention was not applied to some projects');
  }
}
