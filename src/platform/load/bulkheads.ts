import { Bulkhead, type Leave } from './bulkhead.js';

/** The same bounded number of places for each key. Nothing is kept of a key of which no place is taken. */
export class Bulkheads {
  private readonly byKey = new Map<string, Bulkhead>();

  /** @param places of each key */
  constructor(private readonly places: number) {}

  /** A place of the key, or null when none became free within `waitMs`. */
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
