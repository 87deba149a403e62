import type { KeyObject } from 'node:crypto';
import { Injectable, type Type } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import type { Actor } from '../../kernel/actor.js';
import { type AccessTokenFacts, AccessTokens } from './access-tokens.js';
import { bearerTokenIn } from './bearer-token.js';
import { VerifiedTokens } from './verified-tokens.js';

type Headers = Pick<FastifyRequest, 'headers'>;

/**
 * Verifies the access token of a request and makes its user the actor. passport-jwt verifies tokens signed with a
 * secret. It does not support EdDSA, so this class verifies tokens of key files itself (ADR 42).
 */
@Injectable()
export class JwtStrategy extends PassportStrategy<Type<Strategy>>(Strategy, 'jwt') {
  constructor(
    private readonly tokens: AccessTokens,
    private readonly verified: VerifiedTokens,
  ) {
    super({
      jwtFromRequest: ({ headers }: Headers) => bearerTokenIn(headers.authorization),
      // A KeyObject, which the types of passport-jwt omit: with a string, jsonwebtoken takes fifty times as long.
      secretOrKeyProvider: (_: Headers, token: string, done: (error: null, secret?: KeyObject) => void) =>
        done(null, tokens.secretOf(token)),
      algorithms: ['HS256'],
      passReqToCallback: true,
    });
  }

  override authenticate(request: Parameters<Strategy['authenticate']>[0], options?: object): void {
    const token = bearerTokenIn(request.headers.authorization) ?? '';
    if (this.tokens.secretOf(token) !== undefined) return super.authenticate(request, options);
    this.tokens.verify(token).then(
      (facts) => (facts === null ? this.fail(401) : this.success(this.remember(token, facts))),
      (error: Error) => this.error(error),
    );
  }

  /** @param claims of a token with a verified signature */
  validate({ headers }: Headers, claims: unknown): Actor | false {
    const facts = this.tokens.factsIn(claims);
    return facts !== null && this.remember(bearerTokenIn(headers.authorization) ?? '', facts);
  }

  private remember(token: string, { actor, expiresAtMs }: AccessTokenFacts): Actor {
    this.verified.remember(token, actor, expiresAtMs);
    return actor;
  }
}
