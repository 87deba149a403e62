import type { KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type Actor, signedIn } from '../../kernel/actor.js';
import { isId } from '../../kernel/ids.js';
import { CryptoConfig } from '../../platform/crypto/crypto.config.js';
import { SignedTokens, type VerifiedClaims } from '../../platform/crypto/signed-tokens.js';

/** The header type of access tokens (RFC 9068). It keeps other kinds of tokens from being accepted as access tokens. */
const ACCESS_TOKEN_TYPE = 'at+jwt';

/** The contents of an access token: the user, the sign-in, and the time of expiry. */
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

  /** @param isEmailVerified stated in the token until the next refresh */
  issue(userId: string, signInId: string, isEmailVerified: boolean): Promise<string> {
    const claims = { sub: userId, sid: signInId, email_verified: isEmailVerified };
    return this.tokens.sign(ACCESS_TOKEN_TYPE, claims, this.ttlSeconds);
  }

  /** Null for anything but a valid access token of this server. */
  async verify(token: string): Promise<AccessTokenFacts | null> {
    return factsOf(await this.tokens.verify(ACCESS_TOKEN_TYPE, token));
  }

  /**
   * The secret that the token names in its header; undefined for a token signed with a key file and for any other text.
   */
  secretOf(token: string): KeyObject | undefined {
    const key = this.tokens.keyFor(ACCESS_TOKEN_TYPE, token);
    return key?.algorithm === 'HS256' ? key.verify : undefined;
  }

  /** Like `verify`, but takes the claims of a token whose header and signature have been checked. */
  factsIn(claims: unknown): AccessTokenFacts | null {
    return factsOf(this.tokens.accepted(claims));
  }
}

function factsOf(claims: VerifiedClaims | null): AccessTokenFacts | null {
  if (claims === null || !isId(claims.sub) || !isId(claims.sid)) return null;
  return { actor: signedIn(claims.sub, claims.sid, claims.email_verified === true), expiresAtMs: claims.exp * 1000 };
}
