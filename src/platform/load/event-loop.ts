import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ServerConfig } from '../config/server.config.js';

const SAMPLE_MS = 500;
const RESOLUTION_MS = 10;

/**
 * Whether this instance is overloaded. A late event loop delays every response, so new work should go to another instance.
 * Reading it costs nothing, because it is measured every half second.
 */
@Injectable()
export class EventLoop implements OnApplicationShutdown {
  /** Whether the last sample exceeded the limit. */
  isLate = false;
  private readonly delays: IntervalHistogram | undefined;
  private readonly timer: NodeJS.Timeout | undefined;
  /** The totals at the last sample: the number of intervals, and their duration in nanoseconds. */
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
    // Totals are compared and the histogram is never reset, because a reset drops the current interval: the very one that matters
    // if the loop turns only once between two samples. If it has not turned at all, nothing is counted yet.
    const [turns, sum] = [count - this.counted, count === 0 ? 0 : mean * count];
    if (turns === 0) return;
    // The histogram measures from one of its own timers to the next, so a loop that is never late measures the resolution.
    const meanMs = (sum - this.sum) / turns / 1e6 - RESOLUTION_MS;
    this.isLate = meanMs > limitMs;
    [this.counted, this.sum] = [count, sum];
  }
}
