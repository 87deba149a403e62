import { Global, Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { Sweeps } from '../jobs/sweeps.js';
import { RateLimitGuard } from './rate-limit.guard.js';
import { RateLimiter } from './rate-limiter.js';

const SWEEP_MS = 600_000;

/** Import it before the module with the authentication guard: global guards run in the order of their modules. */
@Global()
@Module({
  providers: [RateLimiter, { provide: APP_GUARD, useClass: RateLimitGuard }],
  exports: [RateLimiter],
})
export class RateLimitModule {
  constructor(sweeps: Sweeps, limiter: RateLimiter) {
    sweeps.every(SWEEP_MS, 'Full buckets were not removed', () => limiter.sweep());
  }
}
