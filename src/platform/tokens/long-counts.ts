import { AppError } from '../../kernel/errors/app-error.js';

/** How many long texts of one user may wait; more are refused. */
const MAX_WAITING = 10;
/** How many milliseconds this instance counts for one user per minute before it refuses more long texts. */
const COUNTING_MS_PER_MINUTE = 6000;
const MINUTE_MS = 60_000;

/** Does a part of a count in a few milliseconds; null if there is more to do. */
export type CountStep = () => number | null;

interface Count {
  readonly step: CountStep;
  readonly resolve: (tokens: number) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Counts long texts, one at a time per user. The users take turns step by step, and the event loop runs between two steps, so
 * long texts never block other work.
 */
export class LongCounts {
  /** The counts of each user, in order. The first user is next. */
  private readonly waiting = new Map<string, Count[]>();
  /** When the counting time of each user in the last minute expires, on the clock of `performance.now()`, in ascending order. */
  private readonly freeAt = new Map<string, number>();

  /** @param msPerMinute how long to count for one user per minute */
  constructor(private readonly msPerMinute = COUNTING_MS_PER_MINUTE) {}

  /** Throws `rate_limited` when too many long texts of the user are waiting, or were counted in the last minute. */
  check(userId: string): void {
    const waitMs = (this.freeAt.get(userId) ?? 0) - performance.now() - MINUTE_MS;
    const isCrowded = (this.waiting.get(userId)?.length ?? 0) >= MAX_WAITING;
    if (waitMs <= 0 && !isCrowded) return;
    throw new AppError('rate_limited', {
      detail: 'Too many long texts.',
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
    });
  }

  /** Whether a long text of the user is being counted. */
  isCounting(userId: string): boolean {
    return this.waiting.has(userId);
  }

  /** Runs the steps of a count after the user's earlier counts; resolves to the result of the last step. */
  run(userId: string, step: CountStep): Promise<number> {
    return new Promise((resolve, reject) => {
      const counts = this.waiting.get(userId) ?? [];
      counts.push({ step, resolve, reject });
      if (this.waiting.size === 0) setImmediate(() => this.next());
      this.waiting.set(userId, counts);
    });
  }

  private next(): void {
    const [first] = this.waiting;
    if (first === undefined) return;
    const [userId, counts] = first;
    this.waiting.delete(userId);
    if (this.takeStep(userId, counts)) counts.shift();
    if (counts.length > 0) this.waiting.set(userId, counts);
    if (this.waiting.size > 0) setImmediate(() => this.next());
  }

  /** Whether the first count is finished. */
  private takeStep(userId: string, [count]: readonly Count[]): boolean {
    const begunMs = performance.now();
    try {
      const tokens = count?.step() ?? null;
      if (tokens === null) return false;
      count?.resolve(tokens);
    } catch (error) {
      count?.reject(error);
    } finally {
      this.charge(userId, begunMs);
    }
    return true;
  }

  private charge(userId: string, begunMs: number): void {
    const nowMs = performance.now();
    const dueMs = ((nowMs - begunMs) * MINUTE_MS) / this.msPerMinute;
    const freeAt = Math.max(this.freeAt.get(userId) ?? 0, nowMs) + dueMs;
    this.freeAt.delete(userId);
    this.freeAt.set(userId, freeAt);
    const [oldest] = this.freeAt;
    if (oldest !== undefined && oldest[1] <= nowMs) this.freeAt.delete(oldest[0]);
  }
}
