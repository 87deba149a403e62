import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { ExtractJwt, Strategy } from 'passport-jwt';
import type { Actor } from '../../kernel/actor.js';
import { type AccessTokenFacts, AccessTokens } from './access-tokens.js';
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
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKey: tokens as unknown as Buffer,
      passReqToCallback: true,
    });
  }

  validate({ headers }: FastifyRequest, facts: AccessTokenFacts | null): Actor | false {
    if (facts === null) return false;
    if (headers.authorization !== undefined) {
      this.verified.remember(headers.authorization, facts.actor, facts.expiresAtMs);
    }
    return facts.actor;
  }
}
