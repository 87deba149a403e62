/**
 * Things that are each due the same time after they came in, so that they are due in the order in which they came.
 * Adding, removing and taking cost the same however many there are.
 */
export class DueQueue<T> {
  /** Since when each has been in, on the clock of `performance.now()`. */
  private readonly since = new Map<T, number>();

  /** @param afterMs milliseconds from coming in to being due */
  constructor(private readonly afterMs: number) {}

  get size(): number {
    return this.since.size;
  }

  /** One that is in already keeps its time. */
  add(thing: T): void {
    if (!this.since.has(thing)) this.since.set(thing, performance.now());
  }

  remove(thing: T): void {
    this.since.delete(thing);
  }

  /** Takes out what is due. */
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
