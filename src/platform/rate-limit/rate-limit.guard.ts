import { type CanActivate, type ExecutionContext, Injectable, SetMetadata, type Type } from '@nestjs/common';
import { ModuleRef, Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { clientAddress } from './client-address.js';
import { type RateLimit, RateLimiter, rateLimitHeaders } from './rate-limiter.js';

const LIMIT = 'rateLimitByAddress';

type LimitOf = (modules: ModuleRef) => RateLimit;

/**
 * Limits how often one client address may call a route. Routes whose limits have the same name share their buckets.
 * @param settings the class of settings from which `limit` takes its count
 */
export const LimitByAddress = <T>(settings: Type<T>, limit: (settings: T) => RateLimit): MethodDecorator =>
  SetMetadata(LIMIT, (modules: ModuleRef) => limit(modules.get(settings, { strict: false })));

/**
 * Refuses with `rate_limited` what comes too often from one address, before anything else is looked at, and tells in the
 * headers of every answer how much is left. Without the database it refuses with `database_unavailable`, as the route would.
 */
@Injectable()
export class RateLimitGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly limiter: RateLimiter,
    private readonly modules: ModuleRef,
  ) {}

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const limit = this.reflector.get<LimitOf | undefined>(LIMIT, context.getHandler())?.(this.modules);
    return limit === undefined || this.take(limit, context);
  }

  private async take(limit: RateLimit, context: ExecutionContext): Promise<true> {
    const http = context.switchToHttp();
    const subject = clientAddress(http.getRequest<FastifyRequest>().ip);
    const allowances = await this.limiter.take({ ...limit, subject });
    void http.getResponse<FastifyReply>().headers(rateLimitHeaders(allowances));
    return true;
  }
}
