import { Bulkhead, type Leave } from './bulkhead.js';

/** A bulkhead of the same size for each key. Stores nothing for a key without places in use. */
export class Bulkheads {
  private readonly byKey = new Map<string, Bulkhead>();

  /** @param places per key */
  constructor(private readonly places: number) {}

  /** Takes a place of the key; null if none became free within `waitMs`. */
  async enter(key: string, waitMs: number): Promise<Leave | null> {
    const bulkhead = this.byKey.get(key) ?? new Bulkhead(this.places);
    this.byKey.set(key, bulkhead);
    const leave = await bulkhead.enter(waitMs);
    if (leave === null) return null;
    return () => {
      leave();
      if (bulkhead.free === this.places) this.byKey.delete(key);
    };
  }
}
