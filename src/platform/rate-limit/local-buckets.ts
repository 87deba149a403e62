import { AppError } from '../../kernel/errors/app-error.js';
import type { Bucket } from './rate-limiter.js';

/** More addresses than that are not counted at a time; the one that has asked least recently is forgotten. */
const MAX_BUCKETS = 100_000;

/**
 * Token buckets of this instance alone. They bound how much work one client can cause before anything is known about a request, and
 * cost no query, so a flood that they refuse takes no connection to the database from anybody.
 */
export class LocalBuckets {
  /** When each bucket is full again, in milliseconds; the one used last is the last. */
  private readonly fullAt = new Map<string, number>();

  /** Takes a token. Throws `rate_limited`, which says when there will be one. */
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
