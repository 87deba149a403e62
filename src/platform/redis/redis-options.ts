import type { RedisOptions } from 'ioredis';

const RETRY_MS = { first: 50, most: 2000 };

/** For a Redis that may be away at any moment: whoever asks hears so at once, and the connection is made anew behind. */
export const REDIS_OPTIONS: RedisOptions = {
  lazyConnect: true,
  // Whatever waits for a lost connection is stale when it is back: it fails at once instead.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 3000,
  // The timer behind it stays when there is nothing to disconnect, and keeps the process from its end as long.
  disconnectTimeout: 200,
  keepAlive: 10_000,
  retryStrategy: (times) =>
    Math.min(RETRY_MS.first * 2 ** Math.min(times, 10), RETRY_MS.most) * (0.5 + Math.random() / 2),
};
