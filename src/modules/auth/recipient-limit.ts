import { Injectable } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuthConfig } from './public/auth.config.js';
import { RateLimiter } from '../../platform/rate-limit/rate-limiter.js';
import { AUTH_LIMITS } from './auth-limits.js';

/** Keeps strangers from flooding a mailbox: e-mails beyond the limit are dropped without an error. */
@Injectable()
export class RecipientLimit {
  constructor(
    private readonly limiter: RateLimiter,
    private readonly config: AuthConfig,
  ) {}

  async admits(email: string): Promise<boolean> {
    try {
      await this.limiter.take({ ...AUTH_LIMITS.mails(this.config), subject: email });
      return true;
    } catch (error) {
      if (error instanceof AppError && error.code === 'rate_limited') return false;
      throw error;
    }
  }
}
