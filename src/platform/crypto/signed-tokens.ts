import { Injectable } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { jwtVerify, SignJWT } from 'jose';
import { Clock } from '../../kernel/clock.js';
import { CryptoConfig } from './crypto.config.js';
import type { SigningKey } from './signing-key.js';
import { SigningKeys } from './signing-keys.js';
import { headerOf } from './token-header.js';

/** How far ahead of ours the clock of the issuing instance may be. */
const CLOCK_SKEW_SECONDS = 60;

/** The claims of a verified token. The reader of each kind of token checks any further claims. */
export interface VerifiedClaims {
  readonly [claim: string]: unknown;
  /** The user. */
  readonly sub: string;
  /** When it was issued and when it expires, in seconds since 1970. */
  readonly iat: number;
  readonly exp: number;
}

/**
 * JSON Web Tokens that this server issues to itself. Each kind has its own `typ`, so none is accepted as another (RFC 8725,
 * 3.11). The key determines the algorithm: `@nestjs/jwt` signs and verifies with a secret, jose with a key pair.
 */
@Injectable()
export class SignedTokens {
  constructor(
    private readonly keys: SigningKeys,
    private readonly jwt: JwtService,
    private readonly config: CryptoConfig,
    private readonly clock: Clock,
  ) {}

  /** @param ttlSeconds seconds until it expires */
  async sign(type: string, claims: Record<string, unknown> & { sub: string }, ttlSeconds: number): Promise<string> {
    const { id: kid, algorithm: alg, sign } = this.keys.signer;
    const header = { alg, typ: type, kid };
    const iat = this.nowSeconds();
    const { jwtIssuer: iss, jwtAudience: aud } = this.config;
    const all = { ...claims, iss, aud, iat, exp: iat + ttlSeconds };
    return alg === 'HS256' ? this.jwt.sign(all, { header }) : new SignJWT(all).setProtectedHeader(header).sign(sign);
  }

  /** The claims of an unexpired token of this kind that we issued; null for any other text, whatever is wrong with it. */
  async verify(type: string, token: string): Promise<VerifiedClaims | null> {
    const key = this.keyFor(type, token);
    if (key === null) return null;
    try {
      return this.accepted(await this.signedClaims(token, key));
    } catch {
      // The reason of a refusal would help only attackers.
      return null;
    }
  }

  /** Our key that a token of this kind names. A token that names another algorithm than that of the key is refused. */
  keyFor(type: string, token: string): SigningKey | null {
    const header = headerOf(token);
    if (header?.typ !== type) return null;
    const key = this.keys.find(header.kid);
    return key?.algorithm === header.alg ? key : null;
  }

  /**
   * The claims, if all that we issue are present, ours and currently valid; otherwise null. The libraries check a claim only
   * if it is present.
   */
  accepted(claims: unknown): VerifiedClaims | null {
    if (!hasTimesAndSubject(claims)) return null;
    const now = this.nowSeconds();
    const isForUs = claims.iss === this.config.jwtIssuer && claims.aud === this.config.jwtAudience;
    return isForUs && claims.iat <= now + CLOCK_SKEW_SECONDS && now < claims.exp ? claims : null;
  }

  private async signedClaims(token: string, { algorithm, verify }: SigningKey): Promise<unknown> {
    if (algorithm === 'HS256') {
      return this.jwt.verify<object>(token, { algorithms: [algorithm], clockTimestamp: this.nowSeconds() });
    }
    const options = { algorithms: [algorithm], currentDate: new Date(this.clock.nowMs()) };
    return (await jwtVerify(token, verify, options)).payload;
  }

  private nowSeconds(): number {
    return Math.floor(this.clock.nowMs() / 1000);
  }
}

function hasTimesAndSubject(claims: unknown): claims is VerifiedClaims {
  if (typeof claims !== 'object' || claims === null) return false;
  if (!('sub' in claims && 'iat' in claims && 'exp' in claims)) return false;
  return typeof claims.sub === 'string' && Number.isFinite(claims.iat) && Number.isFinite(claims.exp);
}
