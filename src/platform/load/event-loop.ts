import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ServerConfig } from '../config/server.config.js';

const SAMPLE_MS = 500;
const RESOLUTION_MS = 10;

/**
 * Whether this instance has more to do than it gets done. An event loop that is late makes every answer late, so what is
 * new is better sent elsewhere than begun. Asking costs nothing: it is found out every half second.
 */
@Injectable()
export class EventLoop implements OnApplicationShutdown {
  /** The last sample was over the limit. */
  isLate = false;
  private readonly delays: IntervalHistogram | undefined;
  private readonly timer: NodeJS.Timeout | undefined;
  /** What the last sample found: how many intervals, and how long they were together in nanoseconds. */
  private counted = 0;
  private sum = 0;

  constructor({ maxEventLoopDelayMs }: ServerConfig) {
    if (maxEventLoopDelayMs === 0) return;
    this.delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
    this.delays.enable();
    this.timer = setInterval(() => this.sample(maxEventLoopDelayMs), SAMPLE_MS);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.delays?.disable();
  }

  private sample(limitMs: number): void {
    if (this.delays === undefined) return;
    const { count, mean } = this.delays;
    // Sums are compared, and the histogram is never reset: after that it lets go of one interval, which is the very one that
    // counts when the loop turns once between two samples. When it has not turned at all, nothing is counted yet.
    const [turns, sum] = [count - this.counted, count === 0 ? 0 : mean * count];
    if (turns === 0) return;
    // It counts from one of its own timers to the next, so a loop that is never late has its resolution.
    const meanMs = (sum - this.sum) / turns / 1e6 - RESOLUTION_MS;
    this.isLate = meanMs > limitMs;
    [this.counted, this.sum] = [count, sum];
  }
}
