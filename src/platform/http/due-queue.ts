/**
 * Items that each become due the same time after they were added, and so in the order of their arrival.
 * The cost of each operation does not depend on the number of items.
 */
export class DueQueue<T> {
  /** When each item was added, on the clock of `performance.now()`. */
  private readonly since = new Map<T, number>();

  /** @param afterMs milliseconds from adding an item until it is due */
  constructor(private readonly afterMs: number) {}

  get size(): number {
    return this.since.size;
  }

  /** An item that is already in the queue keeps its time. */
  add(thing: T): void {
    if (!this.since.has(thing)) this.since.set(thing, performance.now());
  }

  remove(thing: T): void {
    this.since.delete(thing);
  }

  /** Removes and returns the items that are due. */
  takeDue(): T[] {
    const due: T[] = [];
    const until = performance.now() - this.afterMs;
    for (const [thing, since] of this.since) {
      if (since > until) break;
      due.push(thing);
    }
    for (const thing of due) this.since.delete(thing);
    return due;
  }
}
