import { type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import type { Actor, Scope } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuthConfig } from './public/auth.config.js';
import { ALLOW_UNVERIFIED } from '../../platform/http/allow-unverified.decorator.js';
import { IS_PUBLIC } from '../../platform/http/public.decorator.js';
import { isRead } from '../../platform/http/read-methods.js';
import { ROUTE_SCOPES } from '../../platform/http/scope.decorator.js';
import { Revocations } from '../../platform/revocations/revocations.js';
import { ApiKeyAccess } from './api-key-access.js';
import { isApiKey } from './api-key.js';
import { bearerTokenIn } from './bearer-token.js';
import { VerifiedTokens } from './verified-tokens.js';

/** Guards every route of the application, except those with `@Public()`. */
@Injectable()
export class JwtGuard extends AuthGuard('jwt') {
  constructor(
    private readonly reflector: Reflector,
    private readonly verified: VerifiedTokens,
    private readonly revocations: Revocations,
    private readonly apiKeys: ApiKeyAccess,
    private readonly config: AuthConfig,
  ) {
    super();
  }

  override canActivate(
    context: ExecutionContext,
  ): ReturnType<InstanceType<ReturnType<typeof AuthGuard>>['canActivate']> {
    const isPublic = this.reflector.getAllAndOverride<boolean | undefined>(IS_PUBLIC, [
      context.getHandler(),
      context.getClass(),
    ]);
    if (isPublic === true) return true;
    const request = context.switchToHttp().getRequest<FastifyRequest & { user?: Actor }>();
    const token = bearerTokenIn(request.headers.authorization);
    if (token === null) throw new AppError('unauthenticated');
    const known = this.verified.find(token);
    if (known === undefined) {
      if (!isApiKey(token)) return super.canActivate(context);
      return this.apiKeys.find(token).then((actor) => {
        request.user = this.admit(actor, context);
        return true;
      });
    }
    request.user = this.admit(known, context);
    return true;
  }

  override handleRequest<T = Actor>(_error: unknown, actor: T | false, _info: unknown, context: ExecutionContext): T {
    // The reason for a refused token would help only an attacker who forges tokens.
    if (actor === false || actor == null) throw new AppError('unauthenticated');
    return this.admit(actor as unknown as Actor, context) as T;
  }

  private admit(actor: Actor | null, context: ExecutionContext): Actor {
    if (actor === null || this.revocations.isRevoked(actor)) throw new AppError('unauthenticated');
    if (actor.apiKeyId !== null) {
      this.requireScope(actor, context);
      this.apiKeys.noteUse(actor);
    } else if (this.config.requireVerifiedEmail) this.requireVerifiedEmail(actor, context);
    return actor;
  }

  /** The token states it; after verification a client refreshes the token. */
  private requireVerifiedEmail({ isEmailVerified }: Actor, context: ExecutionContext): void {
    if (isEmailVerified === true || isRead(context.switchToHttp().getRequest<FastifyRequest>().method)) return;
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(ALLOW_UNVERIFIED, targets) === true) return;
    throw new AppError('email_not_verified');
  }

  private requireScope({ scopes }: Actor, context: ExecutionContext): void {
    const needed = this.reflector.get<readonly Scope[] | undefined>(ROUTE_SCOPES, context.getHandler());
    if (needed === undefined) throw new AppError('sign_in_required');
    if (needed.some((scope) => scopes.includes(scope))) return;
    throw new AppError('insufficient_scope', { detail: `The API key needs the scope ${needed.join(' or ')}.` });
  }
}
