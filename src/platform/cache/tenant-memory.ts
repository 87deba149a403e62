import { LRUCache } from 'lru-cache';
import { type Owner, ownedKey } from './owner.js';

export interface MemoryBounds {
  /** How much there is room for, in the sizes that `set` is told. What was used least lately goes first. */
  readonly maxSize: number;
  /** How long one is kept, in milliseconds. */
  readonly ttlMs: number;
}

/** A bounded memory of this process. The owner is part of every key. */
export class TenantMemory<V extends object | string> {
  private readonly entries: LRUCache<string, V>;

  constructor({ maxSize, ttlMs }: MemoryBounds) {
    this.entries = new LRUCache({ maxSize, ttl: ttlMs });
  }

  get(owner: Owner, key: string): V | undefined {
    return this.entries.get(ownedKey(owner, key));
  }

  /** @param size of the value alone; one that is larger than there is room for is not kept */
  set(owner: Owner, key: string, value: V, size = 1): void {
    this.entries.set(ownedKey(owner, key), value, { size });
  }

  /** Lets go of what has been kept for its time, and would otherwise lie until it is asked for or in the way. */
  purge(): void {
    this.entries.purgeStale();
  }
}
