import { LRUCache } from 'lru-cache';
import { type Owner, ownedKey } from './owner.js';

export interface MemoryBounds {
  /** Maximum total size, in the unit of the sizes that `set` receives. The least recently used values are removed first. */
  readonly maxSize: number;
  /** How long a value is kept, in milliseconds. */
  readonly ttlMs: number;
}

/** A bounded in-memory cache of this process. The owner is part of every key. */
export class TenantMemory<V extends object | string> {
  private readonly entries: LRUCache<string, V>;

  constructor({ maxSize, ttlMs }: MemoryBounds) {
    this.entries = new LRUCache({ maxSize, ttl: ttlMs });
  }

  get(owner: Owner, key: string): V | undefined {
    return this.entries.get(ownedKey(owner, key));
  }

  /** @param size of the value alone; a value larger than `maxSize` is not kept */
  set(owner: Owner, key: string, value: V, size = 1): void {
    this.entries.set(ownedKey(owner, key), value, { size });
  }

  /** Removes expired values, which would otherwise occupy memory until they are read or evicted. */
  purge(): void {
    this.entries.purgeStale();
  }
}
