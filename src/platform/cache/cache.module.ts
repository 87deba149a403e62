import { Global, Module } from '@nestjs/common';
import { RedisConfig } from './redis.config.js';
import { Cache } from './cache.js';
import { CacheCounts } from './cache-counts.js';
import { SHARED_STORE, type SharedStore } from './shared-store.js';

/** Nothing of Redis is loaded without an address of one. */
async function createStore({ redisUrl }: RedisConfig): Promise<SharedStore | null> {
  if (redisUrl === undefined) return null;
  const { RedisStore } = await import('../redis/redis-store.js');
  return new RedisStore(redisUrl);
}

/** What is kept for a while instead of being asked for again, and how often that was of use. */
@Global()
@Module({
  providers: [CacheCounts, Cache, { provide: SHARED_STORE, useFactory: createStore, inject: [RedisConfig] }],
  exports: [CacheCounts, Cache],
})
export class CacheModule {}
