import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import { ExtractJwt, type SecretOrKeyProvider, Strategy } from 'passport-jwt';
import type { Actor } from '../../kernel/actor.js';
import { isId } from '../../kernel/ids.js';
import { AppConfig } from '../../platform/config/app-config.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { ACCESS_TOKEN_ALGORITHM, ACCESS_TOKEN_TYPE, type AccessTokenClaims } from './access-tokens.js';

/** Checks an access token: signature by one pinned algorithm, type, issuer, audience and time. */
@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy, 'jwt') {
  constructor(keys: KeyRing, config: AppConfig) {
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
    });
  }

  validate({ sub, sid }: Partial<AccessTokenClaims>): Actor | false {
    return isId(sub) && isId(sid) ? { userId: sub, signInId: sid } : false;
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
