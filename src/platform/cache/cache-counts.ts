import { Injectable } from '@nestjs/common';
import { type Count, Metrics } from '../observability/metrics.js';

/** What is kept, each under a name of its own. */
const CACHES = ['guard', 'models', 'prompts'] as const;
export type CacheName = (typeof CACHES)[number];

/** It was there, it was there for all instances, or it had to be asked for. */
const RESULTS = ['hit', 'shared', 'miss'] as const;
export type CacheResult = (typeof RESULTS)[number];

/** How often what is kept was of use. */
@Injectable()
export class CacheCounts {
  private readonly requests: Count<'cache' | 'result'>;

  constructor(metrics: Metrics) {
    this.requests = metrics.counter('parley_cache_requests_total', 'Questions to what is kept, and how they ended.', {
      cache: CACHES,
      result: RESULTS,
    });
  }

  count(cache: CacheName, result: CacheResult): void {
    this.requests({ cache, result });
  }
}
