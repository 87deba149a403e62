import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { AuthConfig } from './public/auth.config.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Bucket, RateLimiter } from '../../platform/rate-limit/rate-limiter.js';
import { AUTH_LIMITS } from './auth-limits.js';
import { SignInAddressesRepository } from './sign-in-addresses.repository.js';

/** Whose password is tried, and from where. */
export interface Attempt {
  readonly email: string;
  readonly address: string;
  /** Null for an address without an account, which is counted and answered just the same. */
  readonly userId: string | null;
}

/**
 * Slows down who guesses at passwords, without locking out the owner: where an account has been signed in from before,
 * only the failures from there count. Guesses from everywhere else empty buckets that the owner does not need.
 */
@Injectable()
export class LoginThrottle {
  private readonly log = new Logger(LoginThrottle.name);

  constructor(
    private readonly limiter: RateLimiter,
    private readonly addresses: SignInAddressesRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly audit: AuditLog,
    private readonly config: AuthConfig,
  ) {}

  /**
   * Pays for an attempt before it is made, so that guesses that come all at once are not all let through. The answer is what
   * it was paid from. Throws `rate_limited`.
   */
  async pay(attempt: Attempt): Promise<Bucket[]> {
    const buckets = await this.bucketsOf(attempt);
    await this.limiter.take(...buckets).catch((refusal: unknown) => {
      if (attempt.userId !== null) void this.note(attempt.userId);
      throw refusal;
    });
    return buckets;
  }

  /** For an attempt that was no guess. What is not given back fills up by itself; a sign-in does not fail for it. */
  async giveBack(paid: readonly Bucket[]): Promise<void> {
    try {
      await this.limiter.giveBack(...paid);
    } catch (error) {
      this.log.warn({ err: error }, 'A bucket was not filled again');
    }
  }

  /** In the unit of work of a sign-in: from now on the owner is known there. */
  remember(userId: string, address: string): Promise<void> {
    return this.addresses.insert(userId, address);
  }

  private async bucketsOf({ email, address, userId }: Attempt): Promise<Bucket[]> {
    // Nobody's id costs the same question, so that time does not tell who has an account.
    const id = userId ?? newId();
    const isKnown = await this.unitOfWork.run({ userId: id }, () => this.addresses.isKnown(id, address));
    const pair = { ...AUTH_LIMITS.failuresFromAddressForAccount(this.config), subject: `${email} ${address}` };
    if (isKnown) return [pair];
    return [
      pair,
      { ...AUTH_LIMITS.failuresFromAddress(this.config), subject: address },
      { ...AUTH_LIMITS.failuresForAccount(this.config), subject: email },
    ];
  }

  /** Beside the request, or its time would tell that there is an account; once an hour, or guessing would fill the log. */
  private async note(userId: string): Promise<void> {
    try {
      await this.limiter.take({ name: 'throttle-note', limit: 1, windowSeconds: 3600, subject: userId });
      await this.unitOfWork.run({ userId }, () => this.audit.record({ userId, is: 'anonymous' }, 'sign_in.throttled'));
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'rate_limited')) {
        this.log.warn({ err: error }, 'A throttled account was not noted');
      }
    }
  }
}
