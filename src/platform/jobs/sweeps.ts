import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';

/** Forgets what nobody needs any more, again and again. What fails once, the next round does. */
@Injectable()
export class Sweeps implements OnApplicationShutdown {
  private readonly log = new Logger(Sweeps.name);
  private readonly timers: NodeJS.Timeout[] = [];

  /**
   * Calls `sweep` about every `periodMs`; jitter keeps instances from asking together.
   * @param failure what the log says when it fails
   */
  every(periodMs: number, failure: string, sweep: () => Promise<unknown>): void {
    const work = (): void => void sweep().catch((error: unknown) => this.log.warn({ err: error }, failure));
    const timer = setInterval(work, periodMs * (0.75 + Math.random() / 4));
    timer.unref();
    this.timers.push(timer);
  }

  onApplicationShutdown(): void {
    for (const timer of this.timers) clearInterval(timer);
  }
}
