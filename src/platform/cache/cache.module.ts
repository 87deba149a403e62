import { Global, Module } from '@nestjs/common';
import { CacheCounts } from './cache-counts.js';

/** What is kept for a while instead of being asked for again, and how often that was of use. */
@Global()
@Module({ providers: [CacheCounts], exports: [CacheCounts] })
export class CacheModule {}
