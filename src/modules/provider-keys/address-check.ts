import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import type { Leave } from '../../platform/load/bulkhead.js';
import { Bulkheads } from '../../platform/load/bulkheads.js';
import { namesHost, OutboundGuard } from '../../platform/outbound/outbound-guard.js';
import { type RateLimit, RateLimiter } from '../../platform/rate-limit/rate-limiter.js';

/**
 * DNS lookups of one user. A successful lookup takes milliseconds; only a name server that does not respond delays
 * other lookups.
 */
const LOOKUPS: RateLimit = { name: 'provider-address', limit: 30, windowSeconds: 600 };
const LOOKUPS_AT_ONCE = 2;
const WAIT_MS = 1000;
const RETRY_AFTER_SECONDS = 5;

/** Checks the addresses of users' own providers, and limits the DNS lookups of each user. */
@Injectable()
export class AddressCheck {
  private readonly lookups = new Bulkheads(LOOKUPS_AT_ONCE);

  constructor(
    private readonly guard: OutboundGuard,
    private readonly limiter: RateLimiter,
  ) {}

  /**
   * Does a DNS lookup, so never call it in a unit of work. Throws `validation_failed` at `/base_url` for an address
   * that the server will not call, and `rate_limited` after too many lookups of the user, within ten minutes or at
   * once.
   */
  async pass({ userId }: Pick<Actor, 'userId'>, baseUrl: string): Promise<void> {
    refuse(this.guard.objectionToSpelling(baseUrl));
    const leave = namesHost(baseUrl) ? await this.enter(userId) : null;
    try {
      refuse(await this.guard.objectionTo(baseUrl));
    } finally {
      leave?.();
    }
  }

  private async enter(userId: string): Promise<Leave> {
    await this.limiter.take({ ...LOOKUPS, subject: userId });
    const leave = await this.lookups.enter(userId, WAIT_MS);
    if (leave === null) throw new AppError('rate_limited', { retryAfterSeconds: RETRY_AFTER_SECONDS });
    return leave;
  }
}

function refuse(objection: string | null): void {
  if (objection !== null) throw AppError.invalid('/base_url', objection);
}
