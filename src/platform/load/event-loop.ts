import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';

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

  constructor({ maxEventLoopDelayMs }: AppConfig) {
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
    // The histogram counts from one of its own timers to the next, so a loop that is never late has its resolution.
    const meanMs = this.delays.mean / 1e6 - RESOLUTION_MS;
    this.isLate = meanMs > limitMs;
    this.delays.reset();
  }
}
