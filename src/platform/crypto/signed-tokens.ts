import { Injectable } from '@nestjs/common';
import { type JWTHeaderParameters, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import type { KeyObject } from 'node:crypto';
import { Clock } from '../../kernel/clock.js';
import { CryptoConfig } from './crypto.config.js';
import { SigningKeys } from './signing-keys.js';

/** How far the clock of the instance that made a token may be ahead of ours. */
const CLOCK_SKEW_SECONDS = 60;

/** The claims of a token that was verified; what a kind of token carries beyond them its reader checks. */
export type VerifiedClaims = JWTPayload & { readonly sub: string; readonly iat: number; readonly exp: number };

/**
 * JSON Web Tokens that this server makes for itself. Each kind has a `typ` of its own, so none can pass for another
 * (RFC 8725, 3.11), and the algorithm is the key's.
 */
@Injectable()
export class SignedTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly config: CryptoConfig,
    private readonly clock: Clock,
  ) {}

  /** @param ttlSeconds seconds until it expires */
  sign(type: string, claims: JWTPayload & { sub: string }, ttlSeconds: number): Promise<string> {
    const { id, algorithm, sign } = this.keys.signer;
    const now = this.nowSeconds();
    return new SignJWT(claims)
      .setProtectedHeader({ alg: algorithm, typ: type, kid: id })
      .setIssuer(this.config.jwtIssuer)
      .setAudience(this.config.jwtAudience)
      .setIssuedAt(now)
      .setExpirationTime(now + ttlSeconds)
      .sign(sign);
  }

  /** The claims of a token of this kind that we made and that is not over; null for any other text, whatever is wrong with it. */
  async verify(type: string, token: string): Promise<VerifiedClaims | null> {
    if (!hasOneSpelling(token)) return null;
    try {
      const { payload } = await jwtVerify<VerifiedClaims>(token, (header) => this.keyFor(header), {
        algorithms: ['HS256', 'RS256', 'EdDSA'],
        typ: type,
        issuer: this.config.jwtIssuer,
        audience: this.config.jwtAudience,
        requiredClaims: ['sub', 'iat', 'exp'],
        currentDate: new Date(this.clock.nowMs()),
      });
      return payload.iat <= this.nowSeconds() + CLOCK_SKEW_SECONDS ? payload : null;
    } catch {
      // Why a token was refused helps only those who forge tokens.
      return null;
    }
  }

  /** By our own id alone: keys and addresses of keys that a token brings along (jwk, jku, x5c, x5u) are not even read. */
  private keyFor({ kid, alg }: JWTHeaderParameters): KeyObject {
    const key = this.keys.find(kid);
    if (key?.algorithm !== alg) throw new Error('no key of ours');
    return (key as { verify: KeyObject }).verify;
  }

  private nowSeconds(): number {
    return Math.floor(this.clock.nowMs() / 1000);
  }
}

/** Decoders forgive padding, spaces and stray bits at the end; a token has one spelling. */
function hasOneSpelling(token: string): boolean {
  return token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part);
}
