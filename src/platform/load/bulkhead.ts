/** Gives a place back; a second call does nothing. */
export type Leave = () => void;

interface Waiting {
  readonly take: (leave: Leave | null) => void;
  readonly timer: NodeJS.Timeout;
}

/** A bounded number of places. Whoever finds none waits, in order, for a bounded time. */
export class Bulkhead {
  private taken = 0;
  private readonly queue = new Set<Waiting>();

  constructor(private readonly places: number) {}

  /** How many places are free; 0 also when more are taken than there are. */
  get free(): number {
    return Math.max(this.places - this.taken, 0);
  }

  /** A place, or null when none became free within `waitMs`, or before the signal was aborted. */
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

  /** Takes a place at once, beyond the bound too: for what must go on. */
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
