/** The one source of the current time for rules that depend on it, so that a test can move it. */
export class Clock {
  /** Milliseconds since the Unix epoch. */
  nowMs(): number {
    return Date.now();
  }
}
