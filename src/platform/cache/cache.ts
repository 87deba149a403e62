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
/** How long something is kept, wherever: the net under what nobody gave notice of. */
const KEPT_MS = 300_000;
/** How long after a change nothing of it goes by the shared store: another instance may still write there what it read before. */
const UNSETTLED_MS = 5000;

interface Load {
  readonly cache: CacheName;
  readonly load: () => Promise<object>;
}

/**
 * Keeps what is slow to get and seldom changes: in this process, and with Redis also beside it, for all instances. Whoever
 * changes it says so in the same unit of work, and from its commit on it is loaded anew, here at once and elsewhere as soon as
 * the notice is there; a load that is under way then is not kept. Without Redis, or while it is away, every instance loads for itself.
 * Whoever could not hear notices for a while forgets everything when it can again.
 *
 * Only for what nobody is harmed by when it is read or changed in Redis: no secrets, and not who somebody is.
 */
@Injectable()
export class Cache implements OnApplicationBootstrap {
  private readonly kept = new LRUCache<string, object, Load>({
    max: MAX_KEPT,
    ttl: KEPT_MS,
    // Who asked before a change gets what was there then, but it is not kept.
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
      // In Redis whoever made a change has deleted it.
      () => this.kept.clear(),
    );
  }

  /**
   * What `load` gives, or gave some minutes ago. However many ask at once, it is called once; when it fails, all of them get
   * its error and nothing is kept. Not in a unit of work. What comes back is everybody's: it must not be changed.
   * @param load its value has to survive JSON
   */
  async get<T extends object>(owner: Owner, cache: CacheName, key: string, load: () => Promise<T>): Promise<T> {
    const name = nameOf(owner, cache, key);
    const kept = this.kept.get(name);
    if (kept !== undefined) this.counts.count(cache, 'hit');
    return (kept ?? (await this.kept.fetch(name, { context: { cache, load } }))) as T;
  }

  /** In a unit of work: what is kept of this is not used any more once it commits. */
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

  /** None for whoever can not hear of changes: what it has read may be old, and would be everybody's. */
  private get sharedNow(): SharedStore | null {
    return this.notifications.isListening ? this.shared : null;
  }
}

function nameOf(owner: Owner, cache: CacheName, key: string): string {
  return `${cache} ${ownedKey(owner, key)}`;
}
