/**
 * Looks at something that others change: when told to, and every `pollMs` in case nobody could. One look at a time; what is
 * told meanwhile makes one more. What fails once, the next look does.
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

  /** Looks no more, and waits for the look that is under way. */
  async end(): Promise<void> {
    clearInterval(this.timer);
    this.isToldAgain = false;
    await this.looking;
  }
}
