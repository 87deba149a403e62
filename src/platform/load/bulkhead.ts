/** Frees the place; a second call has no effect. */
export type Leave = () => void;

interface Waiting {
  readonly take: (leave: Leave | null) => void;
  readonly timer: NodeJS.Timeout;
}

/** A bounded number of places. Callers that find none free wait in order, for a bounded time. */
export class Bulkhead {
  private taken = 0;
  private readonly queue = new Set<Waiting>();

  constructor(private readonly places: number) {}

  /** The number of free places; 0 even if more are in use than there are. */
  get free(): number {
    return Math.max(this.places - this.taken, 0);
  }

  /** Takes a place; null if none became free within `waitMs`, or before the signal was aborted. */
  async enter(waitMs: number, signal?: AbortSignal): Promise<Leave | null> {
    if (this.taken < this.places) return this.hold();
    if (waitMs === 0 || signal?.aborted === true) return null;
    return new Promise((resolve) => {
      const giveUp = (): void => waiting.take(null);
      const waiting: Waiting = {
        take: (leave) => {
          clearTimeout(waiting.timer);
          signal?.removeEventListener('abort', giveUp);
          this.queue.delete(waiting);
          resolve(leave);
        },
        timer: setTimeout(giveUp, waitMs),
      };
      signal?.addEventListener('abort', giveUp, { once: true });
      this.queue.add(waiting);
    });
  }

  /** Takes a place at once, even beyond the limit: for work that must not wait. */
  hold(): Leave {
    this.taken += 1;
    let isLeft = false;
    return () => {
      if (isLeft) return;
      isLeft = true;
      this.taken -= 1;
      const [next] = this.queue;
      if (next !== undefined && this.taken < this.places) next.take(this.hold());
    };
  }
}
