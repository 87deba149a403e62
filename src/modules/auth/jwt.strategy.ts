import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { ExtractJwt, type SecretOrKeyProvider, Strategy } from 'passport-jwt';
import { type Actor, signedIn } from '../../kernel/actor.js';
import { isId } from '../../kernel/ids.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { ACCESS_TOKEN_ALGORITHM, ACCESS_TOKEN_TYPE, type AccessTokenClaims } from './access-tokens.js';
import { VerifiedTokens } from './verified-tokens.js';

/** Checks an access token: signature by one pinned algorithm, type, issuer, audience and time. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(
    keys: KeyRing,
    config: AppConfig,
    private readonly verified: VerifiedTokens,
  ) {
    const keyForAccessTokens: SecretOrKeyProvider = (_request, token: string, done) => {
      if (typeOf(token) === ACCESS_TOKEN_TYPE) done(null, keys.accessToken as unknown as Buffer);
      else done(new Error('not an access token'));
    };
    super({
      jwtFromRequest: ExtractJwt.fromAuthHeaderAsBearerToken(),
      secretOrKeyProvider: keyForAccessTokens,
      algorithms: [ACCESS_TOKEN_ALGORITHM],
      issuer: config.jwtIssuer,
      audience: config.jwtAudience,
      passReqToCallback: true,
    });
  }

  validate({ headers }: FastifyRequest, { sub, sid, exp }: Partial<AccessTokenClaims>): Actor | false {
    // The library checks `exp` only where there is one; RFC 9068 requires it.
    if (!isId(sub) || !isId(sid) || typeof exp !== 'number') return false;
    const actor = signedIn(sub, sid);
    if (headers.authorization !== undefined) this.verified.remember(headers.authorization, actor, exp * 1000);
    return actor;
  }
}

function typeOf(token: string): unknown {
  try {
    const header: unknown = JSON.parse(Buffer.from(token.split('.', 1)[0] as string, 'base64url').toString());
    return (header as { typ?: unknown } | null)?.typ;
  } catch {
    return undefined;
  }
}
