import { Injectable, Logger } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { AuthConfig } from './public/auth.config.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { type Bucket, RateLimiter } from '../../platform/rate-limit/rate-limiter.js';
import { AUTH_LIMITS } from './auth-limits.js';
import { SignInAddressesRepository } from './sign-in-addresses.repository.js';

/** One attempt to sign in with a password. */
export interface Attempt {
  readonly email: string;
  readonly address: string;
  /** Null for an address without an account. Such attempts are counted and answered in the same way. */
  readonly userId: string | null;
}

/**
 * Slows down password guessing without locking out the owner. For an address from which the account has signed in
 * before, only failures from that address count. Guesses from other addresses use up buckets that the owner does not
 * need.
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
   * Charges an attempt before it is made, so concurrent guesses cannot pass together. Returns the charged buckets.
   * Throws `rate_limited`.
   */
  async pay(attempt: Attempt): Promise<Bucket[]> {
    const buckets = await this.bucketsOf(attempt);
    await this.limiter.take(...buckets).catch((refusal: unknown) => {
      if (attempt.userId !== null) void this.note(attempt.userId);
      throw refusal;
    });
    return buckets;
  }

  /**
   * Refunds an attempt with the right password. A failed refund does not fail the sign-in, because buckets refill with
   * time.
   */
  async giveBack(paid: readonly Bucket[]): Promise<void> {
    try {
      await this.limiter.giveBack(...paid);
    } catch (error) {
      this.log.warn({ err: error }, 'A rate limit bucket was not refunded');
    }
  }

  /** Remembers the address as known for this user. Call it in the unit of work of the sign-in. */
  remember(userId: string, address: string): Promise<void> {
    return this.addresses.insert(userId, address);
  }

  private async bucketsOf({ email, address, userId }: Attempt): Promise<Bucket[]> {
    // A random id causes the same query, so the response time does not reveal whether there is an account.
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

  /**
   * Runs in the background, because a longer response would reveal that there is an account. At most once an hour per
   * account, so guessing cannot fill the log.
   */
  private async note(userId: string): Promise<void> {
    try {
      await this.limiter.take({ name: 'throttle-note', limit: 1, windowSeconds: 3600, subject: userId });
      await this.unitOfWork.run({ userId }, () => this.audit.record({ userId, is: 'anonymous' }, 'sign_in.throttled'));
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'rate_limited')) {
        this.log.warn({ err: error }, 'A throttled account was not recorded');
      }
    }
  }
}
