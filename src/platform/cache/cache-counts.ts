import { Injectable } from '@nestjs/common';
import { type Count, Metrics } from '../observability/metrics.js';

/** The caches, by name. */
const CACHES = ['guard', 'models', 'prompts'] as const;
export type CacheName = (typeof CACHES)[number];

/** Found in this process, found in the shared store, or loaded. */
const RESULTS = ['hit', 'shared', 'miss'] as const;
export type CacheResult = (typeof RESULTS)[number];

/** Counts how often the caches had a value. */
@Injectable()
export class CacheCounts {
  private readonly requests: Count<'cache' | 'result'>;

  constructor(metrics: Metrics) {
    this.requests = metrics.counter('parley_cache_requests_total', 'Cache lookups by cache and result.', {
      cache: CACHES,
      result: RESULTS,
    });
  }

  count(cache: CacheName, result: CacheResult): void {
    this.requests({ cache, result });
  }
}
