import { AppError } from '../../kernel/errors/app-error.js';
import type { Bucket } from './rate-limiter.js';

/** The maximum number of addresses that are counted; the one that was least recently seen is dropped. */
const MAX_BUCKETS = 100_000;

/**
 * Token buckets of this instance only. They limit the work that one client can cause before its request is authenticated.
 * They need no query, so a refused flood uses no database connection.
 */
export class LocalBuckets {
  /** When each bucket is full again, in milliseconds, ordered from least to most recently used. */
  private readonly fullAt = new Map<string, number>();

  /** Takes a token. Throws `rate_limited`, with the time until the next token. */
  take({ name, subject, limit, windowSeconds }: Bucket, nowMs: number): void {
    const key = `${name} ${subject}`;
    const fullAt = Math.max(this.fullAt.get(key) ?? 0, nowMs) + (windowSeconds * 1000) / limit;
    const waitMs = fullAt - nowMs - windowSeconds * 1000;
    if (waitMs > 0) throw new AppError('rate_limited', { retryAfterSeconds: Math.ceil(waitMs / 1000) });
    this.fullAt.delete(key);
    this.fullAt.set(key, fullAt);
    const [oldest] = this.fullAt.keys();
    if (this.fullAt.size > MAX_BUCKETS && oldest !== undefined) this.fullAt.delete(oldest);
  }
}
