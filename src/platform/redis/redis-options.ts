import type { RedisOptions } from 'ioredis';

const RETRY_MS = { first: 50, most: 2000 };

/** For a Redis that may be unavailable: commands fail at once, and the client reconnects in the background. */
export const REDIS_OPTIONS: RedisOptions = {
  lazyConnect: true,
  // Commands that wait for a lost connection would be stale after the reconnect, so they fail at once.
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 3000,
  // ioredis keeps this timer even if there is nothing to disconnect, and it delays the end of the process.
  disconnectTimeout: 200,
  keepAlive: 10_000,
  retryStrategy: (times) =>
    Math.min(RETRY_MS.first * 2 ** Math.min(times, 10), RETRY_MS.most) * (0.5 + Math.random() / 2),
};
