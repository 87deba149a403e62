import { Injectable } from '@nestjs/common';
import { type Actor, signedIn } from '../../kernel/actor.js';
import { isId } from '../../kernel/ids.js';
import { CryptoConfig } from '../../platform/crypto/crypto.config.js';
import { SignedTokens } from '../../platform/crypto/signed-tokens.js';

/** The header type of access tokens (RFC 9068): no other kind of token can pass for one. */
const ACCESS_TOKEN_TYPE = 'at+jwt';

/** What an access token says: who asks, and until when it may be believed. */
export interface AccessTokenFacts {
  readonly actor: Actor;
  readonly expiresAtMs: number;
}

@Injectable()
export class AccessTokens {
  constructor(
    private readonly tokens: SignedTokens,
    private readonly config: CryptoConfig,
  ) {}

  /** Seconds until a new token expires. */
  get ttlSeconds(): number {
    return this.config.jwtAccessTtlSeconds;
  }

  /** @param isEmailVerified what the token will say of the user, until the next one */
  issue(userId: string, signInId: string, isEmailVerified: boolean): Promise<string> {
    const claims = { sub: userId, sid: signInId, email_verified: isEmailVerified };
    return this.tokens.sign(ACCESS_TOKEN_TYPE, claims, this.ttlSeconds);
  }

  /** Null for whatever is not a live access token of ours. */
  async verify(token: string): Promise<AccessTokenFacts | null> {
    const claims = await this.tokens.verify(ACCESS_TOKEN_TYPE, token);
    if (claims === null || !isId(claims.sub) || !isId(claims.sid)) return null;
    return { actor: signedIn(claims.sub, claims.sid, claims.email_verified === true), expiresAtMs: claims.exp * 1000 };
  }
}
