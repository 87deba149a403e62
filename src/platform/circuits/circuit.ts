export interface CircuitRules {
  /** Consecutive failures that open the circuit. */
  readonly failures: number;
  /** Milliseconds until the first probe; they double with each probe that fails. */
  readonly openMs: number;
}

/** The circuit also opens when half of the calls of such a window failed, if there were enough calls. */
const WINDOW_MS = 30_000;
const MIN_CALLS = 20;
const MAX_FAILURE_RATIO = 0.5;
const MAX_OPEN_MS = 120_000;
/** The wait that a caller is told while a probe is running. */
const PROBE_WAIT_MS = 1000;

/**
 * A circuit breaker. Closed: every call passes. Open: no call passes until its time has passed. Half-open: one call at a
 * time passes as a probe, and its result closes or opens the circuit again.
 */
export class Circuit {
  private inARow = 0;
  /** Answers that broke off since the last complete one. */
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

  /** Returns 0 if a call may pass; otherwise the milliseconds to wait before asking again. */
  enter(nowMs: number): number {
    if (this.openUntilMs === null) return 0;
    if (nowMs < this.openUntilMs) return this.openUntilMs - nowMs;
    if (this.isProbing) return PROBE_WAIT_MS;
    this.isProbing = true;
    return 0;
  }

  /** A call succeeded. Returns whether that closed the circuit. A call from before the circuit opened changes nothing. */
  succeed(nowMs: number, isProbe: boolean): boolean {
    if (this.isOpen && !isProbe) return false;
    this.inARow = 0;
    this.count(nowMs);
    if (!this.isOpen) return false;
    this.close();
    return true;
  }

  /** A call failed. Returns for how many milliseconds that opened the circuit, 0 if it did not. */
  fail(nowMs: number, isProbe: boolean, waitMs: number): number {
    if (this.isOpen && !isProbe) return 0;
    this.inARow += 1;
    this.count(nowMs);
    this.failed += 1;
    const isOften = this.calls >= MIN_CALLS && this.failed >= this.calls * MAX_FAILURE_RATIO;
    if (!isProbe && !isOften && this.inARow < this.rules.failures) return 0;
    return this.trip(nowMs, waitMs);
  }

  /** An answer broke off after a successful start. Returns for how many milliseconds that opened the circuit, 0 if it did not. */
  breakOff(nowMs: number): number {
    if (this.isOpen) return 0;
    this.brokenInARow += 1;
    return this.brokenInARow < this.rules.failures ? 0 : this.trip(nowMs, 0);
  }

  /** An answer is complete. */
  complete(): void {
    this.brokenInARow = 0;
  }

  /** A probe ended without a result; another probe may be made. */
  abandon(): void {
    this.isProbing = false;
  }

  open(untilMs: number): void {
    this.openUntilMs = untilMs;
    this.isProbing = false;
  }

  /** Keeps `brokenInARow`: only the start of an answer has succeeded, and it may still break off. */
  close(): void {
    this.openUntilMs = null;
    this.isProbing = false;
    this.inARow = this.trips = this.calls = this.failed = 0;
  }

  /** Whether the circuit has no state worth keeping. */
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
