/**
 * Checks something that others change: when notified, and every `pollMs` in case a notice was lost. One check runs at a
 * time; notices during a check lead to one more check. After a failure, the next check tries again.
 */
export class Watch {
  private looking: Promise<void> | undefined;
  private isToldAgain = false;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly refresh: () => Promise<void>,
    private readonly onFailure: (error: unknown) => void,
    pollMs: number,
  ) {
    this.timer = setInterval(() => this.look(), pollMs);
    this.timer.unref();
  }

  look(): void {
    if (this.looking !== undefined) {
      this.isToldAgain = true;
      return;
    }
    this.looking = this.refresh()
      .catch(this.onFailure)
      .finally(() => {
        this.looking = undefined;
        if (!this.isToldAgain) return;
        this.isToldAgain = false;
        this.look();
      });
  }

  /** Stops checking, and waits for a check that is running. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    this.isToldAgain = false;
    await this.looking;
  }
}
