import { type CanActivate, type ExecutionContext, Injectable, SetMetadata, type Type } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientAddress } from './client-address.js';
import { LocalBuckets } from './local-buckets.js';
import { type RateLimit, RateLimiter, rateLimitHeaders } from './rate-limiter.js';

const LIMIT = 'rateLimitByAddress';
const LOCAL_LIMIT = 'localRateLimitByAddress';

type LimitOf = (modules: ModuleRef) => RateLimit;

/**
 * Limits how often one client address may call a route. Routes whose limits have the same name share their buckets.
 * @param settings the settings class from which `limit` reads its values
 */
export const LimitByAddress = <T>(settings: Type<T>, limit: (settings: T) => RateLimit): MethodDecorator =>
  SetMetadata(LIMIT, (modules: ModuleRef) => limit(modules.get(settings, { strict: false })));

/** Like `LimitByAddress`, but on each instance separately and without the database; only refusals carry headers. */
export const LimitLocallyByAddress = <T>(settings: Type<T>, limit: (settings: T) => RateLimit): MethodDecorator =>
  SetMetadata(LOCAL_LIMIT, (modules: ModuleRef) => limit(modules.get(settings, { strict: false })));

/**
 * Refuses too many requests from one address with `rate_limited`, before any other check, and reports in the headers of every
 * response how much is left. While the database is unavailable it throws `database_unavailable`, as the route would.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  private readonly local = new LocalBuckets();

  constructor(
    private readonly reflector: Reflector,
    private readonly limiter: RateLimiter,
    private readonly modules: ModuleRef,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const local = this.limitOf(LOCAL_LIMIT, context);
    // By a clock that is never set back: a bucket would stay empty until it has caught up.
    if (local !== undefined) this.local.take({ ...local, subject: addressOf(context) }, performance.now());
    const limit = this.limitOf(LIMIT, context);
    return limit === undefined || this.take(limit, context);
  }

  private async take(limit: RateLimit, context: ExecutionContext): Promise<true> {
    const allowances = await this.limiter.take({ ...limit, subject: addressOf(context) });
    void context.switchToHttp().getResponse<FastifyReply>().headers(rateLimitHeaders(allowances));
    return true;
  }

  private limitOf(key: string, context: ExecutionContext): RateLimit | undefined {
    return this.reflector.get<LimitOf | undefined>(key, context.getHandler())?.(this.modules);
  }
}

function addressOf(context: ExecutionContext): string {
  return clientAddress(context.switchToHttp().getRequest<FastifyRequest>().ip);
}
