import { Global, Module } from '@nestjs/common';
import { RedisConfig } from './redis.config.js';
import { Cache } from './cache.js';
import { CacheCounts } from './cache-counts.js';
import { SHARED_STORE, type SharedStore } from './shared-store.js';

/** Loads the Redis client only if an address is set. */
async function createStore({ redisUrl }: RedisConfig): Promise<SharedStore | null> {
  if (redisUrl === undefined) return null;
  const { RedisStore } = await import('../redis/redis-store.js');
  return new RedisStore(redisUrl);
}

/** The cache and its counters. */
@Global()
@Module({
  providers: [CacheCounts, Cache, { provide: SHARED_STORE, useFactory: createStore, inject: [RedisConfig] }],
  exports: [CacheCounts, Cache],
})
export class CacheModule {}
