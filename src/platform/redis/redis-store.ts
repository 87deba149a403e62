import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Redis } from 'ioredis';
import { LRUCache } from 'lru-cache';
import type { SharedStore, SharedValue } from '../cache/shared-store.js';
import { REDIS_OPTIONS } from './redis-options.js';

const PREFIX = 'parley:cache:';
/** The longest wait for an answer. */
const PATIENCE_MS = 100;
/** The pause after Redis did not answer. */
const PAUSE_MS = 2000;
/** How long pending deletions are remembered: longer than any value is stored. */
const OWED_MS = 600_000;

/** The shared store in Redis. An unavailable Redis costs nothing; one that hangs costs `PATIENCE_MS` every `PAUSE_MS`. */
export class RedisStore implements SharedStore, OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(RedisStore.name);
  private readonly redis: Redis;
  /** Keys that could not be deleted yet. Until they are, nothing is read, because it may be outdated. */
  private readonly owed = new LRUCache<string, true>({ max: 10_000, ttl: OWED_MS });
  private pausedUntil = 0;
  private isAway = false;

  constructor(url: string) {
    this.redis = new Redis(url, { ...REDIS_OPTIONS, connectionName: 'parley-cache', commandTimeout: PATIENCE_MS });
    this.redis.on('error', (error) => this.lost(error));
    this.redis.on('ready', () => void this.settle());
  }

  onApplicationBootstrap(): void {
    // Errors are also emitted as events.
    this.redis.connect().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.redis.disconnect();
  }

  async get(key: string): Promise<SharedValue | null> {
    if (!(await this.settle())) return null;
    return this.ask(async () => {
      const [text, remainingMs] = await Promise.all([this.redis.get(PREFIX + key), this.redis.pttl(PREFIX + key)]);
      return text === null || remainingMs <= 0 ? null : { value: JSON.parse(text) as object, remainingMs };
    });
  }

  async set(key: string, value: object, ttlMs: number): Promise<void> {
    await this.ask(() => this.redis.set(PREFIX + key, JSON.stringify(value), 'PX', ttlMs));
  }

  async delete(key: string): Promise<void> {
    this.owed.set(PREFIX + key, true);
    await this.settle();
  }

  /** Deletes the pending keys; false if that failed. */
  private async settle(): Promise<boolean> {
    if (this.owed.size === 0) return true;
    const keys = [...this.owed.keys()];
    if ((await this.ask(() => this.redis.del(...keys))) === null) return false;
    for (const key of keys) this.owed.delete(key);
    return true;
  }

  private async ask<T>(question: () => Promise<T>): Promise<T | null> {
    if (this.redis.status !== 'ready' || performance.now() < this.pausedUntil) return null;
    try {
      const answer = await question();
      if (this.isAway) this.log.log('The shared cache can be used again');
      this.isAway = false;
      return answer;
    } catch (error) {
      this.pausedUntil = performance.now() + PAUSE_MS;
      this.lost(error as Error);
      return null;
    }
  }

  /** Logs one line per outage, however many commands fail. */
  private lost(error: Error): void {
    if (this.isAway) return;
    this.isAway = true;
    this.log.warn(`The shared cache cannot be used; each instance caches alone: ${error.message}`);
  }
}
