import {
  Global,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimiter } from './rate-limiter.js';

const SWEEP_MS = 600_000;

/** Forgets buckets that are full again. When it fails, the next round does it. */
@Injectable()
class RateLimitSweepJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(RateLimitSweepJob.name);
  private timer: NodeJS.Timeout;

  constructor(private readonly limiter: RateLimiter) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), SWEEP_MS * (0.75 + Math.random() / 4));
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async sweep(): Promise<void> {
    try {
      await this.limiter.sweep();
    } catch (error) {
      this.log.warn({ err: error }, 'Full buckets were not removed');
    }
  }
}

/** Before the module with the guard that asks for tokens: global guards run in the order of their modules. */
@Global()
@Module({
  providers: [RateLimiter, RateLimitSweepJob, { provide: APP_GUARD, useClass: RateLimitGuard }],
  exports: [RateLimiter],
})
export class RateLimitModule {}
