import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { Notifications } from '../database/notifications.js';
import { statement, text } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { CacheCounts, type CacheName } from './cache-counts.js';
import { type Owner, ownedKey } from './owner.js';
import { SHARED_STORE, type SharedStore } from './shared-store.js';

export const CACHE_CHANNEL = 'parley_cache';

const NOTIFY = statement<object>()('cache_notify', { channel: text, name: text }, 'select pg_notify(:channel, :name)');

const MAX_KEPT = 2000;
/** How long a value is cached, here and in Redis. It limits the damage if a notice of a change is lost. */
const KEPT_MS = 300_000;
/** For this long after a change, the key bypasses Redis: another instance may still write a value there that it read earlier. */
const UNSETTLED_MS = 5000;

interface Load {
  readonly cache: CacheName;
  readonly load: () => Promise<object>;
}

/**
 * Caches values that are slow to load and seldom change: in this process and, with Redis, for all instances. A writer calls
 * `invalidate` in the unit of work of its change. When it commits, this instance discards the value at once, and the others
 * do so when the notice arrives; a load that is running then is not cached. Without Redis, or while Redis is unavailable,
 * every instance loads for itself. An instance that missed notices for a while clears its cache when it is connected again.
 *
 * Only for values that do no harm if they are read or changed in Redis: no secrets, and no identities.
 */
@Injectable()
export class Cache implements OnApplicationBootstrap {
  private readonly kept = new LRUCache<string, object, Load>({
    max: MAX_KEPT,
    ttl: KEPT_MS,
    // A caller that asked before a change gets the old value, but it is not cached.
    ignoreFetchAbort: true,
    fetchMethod: (key, _old, { signal, options, context }) =>
      this.load(key, context, signal, (ttlMs) => (options.ttl = ttlMs)),
  });
  private readonly unsettled = new LRUCache<string, true>({ max: MAX_KEPT, ttl: UNSETTLED_MS });

  constructor(
    private readonly counts: CacheCounts,
    private readonly unitOfWork: UnitOfWork,
    private readonly notifications: Notifications,
    @Inject(SHARED_STORE) private readonly shared: SharedStore | null,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    await this.notifications.listen(
      CACHE_CHANNEL,
      (key) => this.forget(key),
      // The instance that made a change has deleted the value in Redis.
      () => this.kept.clear(),
    );
  }

  /**
   * Returns the cached value, or calls `load`. Concurrent callers share one call; if it fails, all of them get its error and
   * nothing is cached. Do not call it in a unit of work. The value is shared: do not change it.
   * @param load its value must survive JSON
   */
  async get<T extends object>(owner: Owner, cache: CacheName, key: string, load: () => Promise<T>): Promise<T> {
    const name = nameOf(owner, cache, key);
    const kept = this.kept.get(name);
    if (kept !== undefined) this.counts.count(cache, 'hit');
    return (kept ?? (await this.kept.fetch(name, { context: { cache, load } }))) as T;
  }

  /** Call it in a unit of work: once that commits, the cached value is no longer used. */
  async invalidate(owner: Owner, cache: CacheName, key: string): Promise<void> {
    const name = nameOf(owner, cache, key);
    await this.unitOfWork.query(NOTIFY({ channel: CACHE_CHANNEL, name }));
    this.unitOfWork.afterCommit(() => this.forget(name));
  }

  private forget(name: string): void {
    this.unsettled.set(name, true);
    this.kept.delete(name);
    void this.shared?.delete(name);
  }

  private async load(
    name: string,
    { cache, load }: Load,
    signal: AbortSignal,
    setTtl: (ttlMs: number) => void,
  ): Promise<object> {
    const shared = this.unsettled.has(name) ? null : this.sharedNow;
    const found = (await shared?.get(name)) ?? null;
    this.counts.count(cache, found === null ? 'miss' : 'shared');
    if (found !== null) {
      setTtl(Math.min(found.remainingMs, KEPT_MS));
      return found.value;
    }
    const value = await load();
    if (!signal.aborted && this.sharedNow !== null) void shared?.set(name, value, KEPT_MS);
    return value;
  }

  /** Null while notices do not arrive: a value that this instance loads may be outdated and must not be shared. */
  private get sharedNow(): SharedStore | null {
    return this.notifications.isListening ? this.shared : null;
  }
}

function nameOf(owner: Owner, cache: CacheName, key: string): string {
  return `${cache} ${ownedKey(owner, key)}`;
}
