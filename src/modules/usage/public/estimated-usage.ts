import { Injectable } from '@nestjs/common';
import { EntriesRepository, type EstimatedEntry } from '../entries.repository.js';
import { UsageRecorder } from './usage-recorder.js';
import type { UsedCall } from './used-call.js';

export type { EstimatedEntry };

/** What a provider's own records say of a call; unknown is null. */
export type ToldUsage = Pick<UsedCall, 'inputTokens' | 'outputTokens' | 'cachedInputTokens' | 'costMicroUsd'>;

/** Calls that we could only estimate, because the provider was cut off before it told what was used. */
@Injectable()
export class EstimatedUsage {
  constructor(
    private readonly entries: EntriesRepository,
    private readonly recorder: UsageRecorder,
  ) {}

  /** Those of the last hour, by a key of this server's, that are not corrected yet and that a provider's records may know. */
  list(provider: string, limit: number): Promise<EstimatedEntry[]> {
    return this.entries.listEstimated(provider, limit);
  }

  /** Adds one more entry with the difference to what was told; once, whichever instance asks. The first one stays as it is. */
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
