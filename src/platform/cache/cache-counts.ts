import { Injectable } from '@nestjs/common';
import { type Count, Metrics } from '../observability/metrics.js';

/** What is kept, each under a name of its own. */
const CACHES = ['guard', 'prompts'] as const;
export type CacheName = (typeof CACHES)[number];

/** How often what is kept was of use. */
@Injectable()
export class CacheCounts {
  private readonly requests: Count<'cache' | 'result'>;

  constructor(metrics: Metrics) {
    this.requests = metrics.counter('parley_cache_requests_total', 'Questions to what is kept, and how they ended.', {
      cache: CACHES,
      result: ['hit', 'miss'],
    });
  }

  count(cache: CacheName, isHit: boolean): void {
    this.requests({ cache, result: isHit ? 'hit' : 'miss' });
  }
}
