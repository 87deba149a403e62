import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { Strategy } from 'passport-jwt';
import type { Actor } from '../../kernel/actor.js';
import { type AccessTokenFacts, AccessTokens } from './access-tokens.js';
import { bearerTokenIn } from './bearer-token.js';
import { VerifiedTokens } from './verified-tokens.js';

type Verifier = (
  token: string,
  tokens: AccessTokens,
  options: unknown,
  done: (error: unknown, facts?: AccessTokenFacts | null) => void,
) => void;

// passport-jwt is made for jsonwebtoken, which knows no EdDSA; this is its place for another verifier (ADR 19).
(Strategy as unknown as { JwtVerifier: Verifier }).JwtVerifier = (token, tokens, _options, done) => {
  tokens.verify(token).then((facts) => done(null, facts), done);
};

/** Takes the access token from the header and has it checked; whose it is becomes the actor. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    tokens: AccessTokens,
    private readonly verified: VerifiedTokens,
  ) {
    super({
      jwtFromRequest: ({ headers }: FastifyRequest) => bearerTokenIn(headers.authorization),
      secretOrKey: tokens as unknown as Buffer,
      passReqToCallback: true,
    });
  }

  validate({ headers }: FastifyRequest, facts: AccessTokenFacts | null): Actor | false {
    if (facts === null) return false;
    const token = bearerTokenIn(headers.authorization);
    if (token !== null) this.verified.remember(token, facts.actor, facts.expiresAtMs);
    return facts.actor;
  }
}
