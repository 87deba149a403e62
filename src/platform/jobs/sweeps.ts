import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';

/** Removes outdated data periodically. After a failure, the next round tries again. */
@Injectable()
export class Sweeps implements OnApplicationShutdown {
  private readonly log = new Logger(Sweeps.name);
  private readonly timers: NodeJS.Timeout[] = [];

  /**
   * Calls `sweep` about every `periodMs`, with jitter, so that instances do not all ask at once.
   * @param failure the log message when it fails
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
