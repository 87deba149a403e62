import { Injectable } from '@nestjs/common';
import { EntriesRepository, type EstimatedEntry } from '../entries.repository.js';
import { UsageRecorder } from './usage-recorder.js';
import type { UsedCall } from './used-call.js';

export type { EstimatedEntry };

/** The usage of a call in the provider's records; null means unknown. */
export type ToldUsage = Pick<UsedCall, 'inputTokens' | 'outputTokens' | 'cachedInputTokens' | 'costMicroUsd'>;

/** Calls with estimated usage, because they ended before the provider reported it. */
@Injectable()
export class EstimatedUsage {
  constructor(
    private readonly entries: EntriesRepository,
    private readonly recorder: UsageRecorder,
  ) {}

  /** Uncorrected calls of the last hour with this server's key that the provider's records may contain. */
  list(provider: string, limit: number): Promise<EstimatedEntry[]> {
    return this.entries.listEstimated(provider, limit);
  }

  /**
   * Adds an entry with the difference to the reported usage, exactly once across all instances. The first entry is not
   * changed.
   */
  async correct(entry: EstimatedEntry, told: ToldUsage): Promise<void> {
    const difference = (name: keyof ToldUsage): number | null => {
      const value = told[name];
      return value === null ? null : value - (entry[name] ?? 0);
    };
    await this.recorder.correct(entry, entry, {
      provider: entry.provider,
      model: entry.model,
      askedModel: entry.askedModel,
      isOwnKey: false,
      status: entry.status,
      inputTokens: difference('inputTokens'),
      outputTokens: difference('outputTokens'),
      cachedInputTokens: difference('cachedInputTokens'),
      costMicroUsd: difference('costMicroUsd'),
      isEstimated: false,
      generationId: entry.generationId,
      rawUsage: null,
    });
  }
}
