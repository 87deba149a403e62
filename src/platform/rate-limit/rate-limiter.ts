import { createHmac } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { KeyRing } from '../crypto/key-ring.js';
import { arrayOf, bytea, int, statement } from '../database/statement.js';
import { SystemScope } from '../database/system-scope.js';

/** Rows per statement, so that a sweep never holds locks for long. */
const SWEEP_BATCH = 1000;

/** A limit: a burst of `limit`, and `limit` per `windowSeconds` in the long run. */
export interface RateLimit {
  /** Shown to clients in the headers; also separates the buckets of different limits. */
  readonly name: string;
  readonly limit: number;
  readonly windowSeconds: number;
}

/** A limit for one subject: an address, an account, a user. */
export interface Bucket extends RateLimit {
  /** The subject of the limit. Only its HMAC is stored. */
  readonly subject: string;
}

/** What is left in a bucket. */
export interface Allowance extends RateLimit {
  readonly remaining: number;
  /** Seconds until the bucket is full again, if nothing is taken. */
  readonly resetSeconds: number;
}

interface Row {
  readonly is_taken: boolean;
  readonly full_in: number;
}

const SWEEP = statement<object>()(
  'rate_limits_sweep',
  {},
  `
with old as materialized (select key from rate_limits where full_at < now() limit ${SWEEP_BATCH})
delete from rate_limits r using old where r.key = old.key and r.full_at < now()`,
);

const TAKE = statement<Row>()(
  'rate_limits_take',
  { keys: arrayOf(bytea), limits: arrayOf(int), windowSeconds: arrayOf(int), cost: int },
  'select is_taken, full_in from take_tokens(:keys, :limits, :windowSeconds, :cost)',
);

/**
 * Token buckets in the database, which all instances share. A bucket holds `limit` tokens and refills evenly within
 * `windowSeconds`. While the database is unavailable, they throw `database_unavailable`: there is nothing to protect then.
 */
@Injectable()
export class RateLimiter {
  private readonly key: Buffer;

  constructor(
    private readonly system: SystemScope,
    keys: KeyRing,
  ) {
    this.key = keys.derive('rate-limit');
  }

  /**
   * Takes a token from every bucket. If one is empty, takes none and throws `rate_limited` with the time until all have one.
   * Concurrent requests on any number of instances cannot take more than a bucket has. One round trip.
   */
  async take(...buckets: Bucket[]): Promise<Allowance[]> {
    const rows = await this.move(buckets, 1);
    if (rows[0]?.is_taken !== true) throw refusal(buckets, rows);
    return buckets.map((bucket, i) => toAllowance(bucket, rows[i]?.full_in ?? 0));
  }

  /** Returns a token to every bucket, if the limit should not count what the token was taken for. */
  async giveBack(...buckets: Bucket[]): Promise<void> {
    await this.move(buckets, -1);
  }

  /** Removes a batch of full buckets. Returns their number. */
  async sweep(): Promise<number> {
    const { rowCount } = await this.system.query('forget full buckets', SWEEP({}));
    return rowCount === SWEEP_BATCH ? SWEEP_BATCH + (await this.sweep()) : (rowCount ?? 0);
  }

  private async move(buckets: readonly Bucket[], cost: number): Promise<Row[]> {
    const taken = TAKE({
      keys: buckets.map(({ name, subject }) => this.hash(`${name}\0${subject}`)),
      limits: buckets.map(({ limit }) => limit),
      windowSeconds: buckets.map(({ windowSeconds }) => windowSeconds),
      cost,
    });
    return (await this.system.query('rate limits: who is limited may not be signed in yet', taken)).rows;
  }

  private hash(text: string): Buffer {
    return createHmac('sha256', this.key).update(text).digest().subarray(0, 16);
  }
}

/** @param fullIn seconds until the bucket is full again; more than its window if it is in debt */
export function toAllowance({ name, limit, windowSeconds }: RateLimit, fullIn: number): Allowance {
  // A bucket that fills in w seconds and lacks f of them has limit * (1 - f/w) tokens; the margin is for binary fractions.
  const remaining = Math.max(0, Math.floor(limit * (1 - fullIn / windowSeconds) + 1e-6));
  return { name, limit, windowSeconds, remaining, resetSeconds: Math.max(0, Math.ceil(fullIn)) };
}

function refusal(buckets: readonly Bucket[], rows: readonly Row[]): AppError {
  const waits = buckets.map(({ limit, windowSeconds }, i) => {
    return (rows[i]?.full_in ?? 0) + windowSeconds / limit - windowSeconds;
  });
  const empty = buckets.flatMap((bucket, i) =>
    (waits[i] ?? 0) > 0 ? [toAllowance(bucket, rows[i]?.full_in ?? 0)] : [],
  );
  return new AppError('rate_limited', {
    retryAfterSeconds: Math.max(1, Math.ceil(Math.max(...waits))),
    headers: rateLimitHeaders(empty),
  });
}

/** The headers `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10; none without allowances. */
export function rateLimitHeaders(allowances: readonly Allowance[]): Record<string, string> {
  if (allowances.length === 0) return {};
  return {
    'ratelimit-policy': allowances.map(({ name, limit, windowSeconds: w }) => `"${name}";q=${limit};w=${w}`).join(', '),
    ratelimit: allowances
      .map(({ name, remaining, resetSeconds }) => `"${name}";r=${remaining};t=${resetSeconds}`)
      .join(', '),
  };
}
