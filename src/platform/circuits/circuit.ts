export interface CircuitRules {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** Milliseconds until the first probe; they double with each probe that fails. */
  readonly openMs: number;
}

/** Failures among others: half of the calls of a window, when there were enough to tell. */
const WINDOW_MS = 30_000;
const MIN_CALLS = 20;
const MAX_FAILURE_RATIO = 0.5;
const MAX_OPEN_MS = 120_000;
/** Whoever comes while a probe is under way may ask again soon. */
const PROBE_WAIT_MS = 1000;

/**
 * Says whether something that may be failing is to be called. Closed: always. Open: not until its time is over. Then
 * half-open: one call at a time is let through as a probe, and its end closes or opens it again.
 */
export class Circuit {
  private inARow = 0;
  /** Answers that began and broke off, since one came to its end. */
  private brokenInARow = 0;
  private windowFromMs = 0;
  private calls = 0;
  private failed = 0;
  private openUntilMs: number | null = null;
  private trips = 0;
  private isProbing = false;

  constructor(private readonly rules: CircuitRules) {}

  get isOpen(): boolean {
    return this.openUntilMs !== null;
  }

  /** 0 lets a call through; else how many milliseconds to wait before asking again. */
  enter(nowMs: number): number {
    if (this.openUntilMs === null) return 0;
    if (nowMs < this.openUntilMs) return this.openUntilMs - nowMs;
    if (this.isProbing) return PROBE_WAIT_MS;
    this.isProbing = true;
    return 0;
  }

  /** A call was answered; true when that has closed it. What began before it opened tells nothing new. */
  succeed(nowMs: number, isProbe: boolean): boolean {
    if (this.isOpen && !isProbe) return false;
    this.inARow = 0;
    this.count(nowMs);
    if (!this.isOpen) return false;
    this.close();
    return true;
  }

  /** A call has failed; the answer is for how many milliseconds that has opened it, 0 when it has not. */
  fail(nowMs: number, isProbe: boolean, waitMs: number): number {
    if (this.isOpen && !isProbe) return 0;
    this.inARow += 1;
    this.count(nowMs);
    this.failed += 1;
    const isOften = this.calls >= MIN_CALLS && this.failed >= this.calls * MAX_FAILURE_RATIO;
    if (!isProbe && !isOften && this.inARow < this.rules.failures) return 0;
    return this.trip(nowMs, waitMs);
  }

  /** An answer whose beginning was a success broke off; the answer is for how many milliseconds that has opened it. */
  breakOff(nowMs: number): number {
    if (this.isOpen) return 0;
    this.brokenInARow += 1;
    return this.brokenInARow < this.rules.failures ? 0 : this.trip(nowMs, 0);
  }

  /** An answer came to its end. */
  complete(): void {
    this.brokenInARow = 0;
  }

  /** A probe ended without telling anything; another one may be made. */
  abandon(): void {
    this.isProbing = false;
  }

  open(untilMs: number): void {
    this.openUntilMs = untilMs;
    this.isProbing = false;
  }

  /** Only the beginning of an answer is known: whether it breaks off again must still show. */
  close(): void {
    this.openUntilMs = null;
    this.isProbing = false;
    this.inARow = this.trips = this.calls = this.failed = 0;
  }

  /** Whether there is nothing to remember of it. */
  isForgettable(nowMs: number): boolean {
    const isWell = !this.isOpen && this.inARow === 0 && this.brokenInARow === 0;
    return isWell && (this.failed === 0 || nowMs - this.windowFromMs > WINDOW_MS);
  }

  private trip(nowMs: number, waitMs: number): number {
    const openMs = Math.min(Math.max(this.rules.openMs * 2 ** this.trips, waitMs), MAX_OPEN_MS);
    this.trips += 1;
    this.open(nowMs + openMs);
    return openMs;
  }

  private count(nowMs: number): void {
    if (nowMs - this.windowFromMs > WINDOW_MS) {
      this.windowFromMs = nowMs;
      this.calls = this.failed = 0;
    }
    this.calls += 1;
  }
}
