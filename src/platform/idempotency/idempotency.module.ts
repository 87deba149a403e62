import {
  Global,
  Injectable,
  Logger,
  Module,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { APP_INTERCEPTOR } from '@nestjs/core';
import { AppConfig } from '../config/app-config.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import { IdempotencyRepository } from './idempotency.repository.js';

const SWEEP_MS = 3_600_000;

/** Forgets keys that no client repeats any more. When it fails, the next hour does it. */
@Injectable()
class IdempotencySweepJob implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly log = new Logger(IdempotencySweepJob.name);
  private timer: NodeJS.Timeout;

  constructor(
    private readonly keys: IdempotencyRepository,
    private readonly config: AppConfig,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.sweep(), SWEEP_MS * (0.75 + Math.random() / 4));
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  private async sweep(): Promise<void> {
    try {
      await this.keys.sweep(this.config.idempotencyKeepHours);
    } catch (error) {
      this.log.warn({ err: error }, 'Old idempotency keys were not removed');
    }
  }
}

@Global()
@Module({
  providers: [
    IdempotencyKeys,
    IdempotencyRepository,
    IdempotencySweepJob,
    { provide: APP_INTERCEPTOR, useClass: IdempotencyInterceptor },
  ],
  exports: [IdempotencyKeys, IdempotencyRepository],
})
export class IdempotencyModule {}
