import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { AppConfig } from '../../platform/config/app-config.js';

/** The header type of access tokens (RFC 9068): no other kind of token can pass for one. */
export const ACCESS_TOKEN_TYPE = 'at+jwt';
export const ACCESS_TOKEN_ALGORITHM = 'HS256';

export interface AccessTokenClaims {
  readonly sub: string;
  /** The sign-in the token came from. */
  readonly sid: string;
  /** Seconds since 1970; set by the signer. */
  readonly exp?: number;
}

@Injectable()
export class AccessTokens {
  constructor(
    private readonly jwt: JwtService,
    private readonly config: AppConfig,
  ) {}

  /** Seconds until a new token expires. */
  get ttlSeconds(): number {
    return this.config.jwtAccessTtlSeconds;
  }

  issue(userId: string, signInId: string): Promise<string> {
    const claims: AccessTokenClaims = { sub: userId, sid: signInId };
    return this.jwt.signAsync(claims, {
      algorithm: ACCESS_TOKEN_ALGORITHM,
      header: { alg: ACCESS_TOKEN_ALGORITHM, typ: ACCESS_TOKEN_TYPE },
      issuer: this.config.jwtIssuer,
      audience: this.config.jwtAudience,
      expiresIn: this.config.jwtAccessTtlSeconds,
    });
  }
}
