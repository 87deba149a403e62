import { AppError } from '../../kernel/errors/app-error.js';
import { LocalBuckets } from './local-buckets.js';

const LIMIT = { name: 'x', limit: 3, windowSeconds: 6 };

describe('a bucket of one instance', () => {
  const buckets = new LocalBuckets();
  const take = (subject: string, nowMs: number): number | undefined => {
    try {
      buckets.take({ ...LIMIT, subject }, nowMs);
      return undefined;
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'rate_limited') throw error;
      return error.retryAfterSeconds;
    }
  };

  it('allows a burst, says when to come back, and refills evenly, independently of other buckets', () => {
    for (let i = 0; i < 3; i++) expect(take('a', 1000)).toBeUndefined();
    expect(take('a', 1000)).toBe(2);
    expect(take('a', 2500)).toBe(1);
    expect(take('b', 2500)).toBeUndefined();
    expect(take('a', 3000)).toBeUndefined();
    expect(take('a', 3000)).toBe(2);
    for (let i = 0; i < 3; i++) expect(take('a', 60_000)).toBeUndefined();
    expect(take('a', 60_000)).toBe(2);
  });
});
