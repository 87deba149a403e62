import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Sweeps } from '../../../platform/jobs/sweeps.js';
import { LlmError } from '../../llm/public/llm-error.js';
import { LlmProviders } from '../../llm/public/llm-providers.js';
import { EstimatedUsage } from '../../usage/public/estimated-usage.js';

const PERIOD_MS = 60_000;
const BATCH = 50;

/**
 * Asks OpenRouter for the cost of calls that were stopped or cut off before it reported their usage. Costs that
 * OpenRouter does not know yet are requested again for an hour. Every instance asks; the ledger keeps the first
 * response.
 */
@Injectable()
export class UsageReconciliationJob implements OnApplicationBootstrap {
  private readonly log = new Logger(UsageReconciliationJob.name);

  constructor(
    private readonly providers: LlmProviders,
    private readonly usage: EstimatedUsage,
    private readonly sweeps: Sweeps,
  ) {}

  onApplicationBootstrap(): void {
    if (this.providers.find('openrouter') === null) return;
    this.sweeps.every(PERIOD_MS, 'Estimated usage was not compared with the records of the provider', () =>
      this.reconcile(),
    );
  }

  async reconcile(): Promise<void> {
    for (const entry of await this.usage.list('openrouter', BATCH)) {
      try {
        const told = await this.providers.findGeneration(entry.generationId);
        if (told !== null) await this.usage.correct(entry, told);
      } catch (error) {
        if (!(error instanceof LlmError)) throw error;
        const { code, providerStatus } = error;
        this.log.warn(
          { code, providerStatus, messageId: entry.messageId },
          'The records of the provider were not read',
        );
        // The same error would hit the next calls too.
        return;
      }
    }
  }
}
