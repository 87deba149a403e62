import { hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CryptoConfig } from './crypto.config.js';

/** Keys for one purpose each, derived from the configured secrets (HKDF-SHA-256, RFC 5869). */
@Injectable()
export class KeyRing {
  /** Keys the HMAC under every password hash. */
  readonly passwordPepper: string;

  private readonly secret: string;
  private readonly previousSecrets: readonly string[];

  constructor({ jwtSecret, jwtPreviousSecrets, passwordPepper }: CryptoConfig) {
    if (jwtSecret === undefined || passwordPepper === undefined) throw new Error('secrets are not set');
    this.secret = jwtSecret;
    this.previousSecrets = jwtPreviousSecrets;
    this.passwordPepper = passwordPepper;
  }

  /** 32 bytes that only this server and this purpose have. */
  derive(purpose: string): Buffer {
    return derived(this.secret, purpose);
  }

  /** As `derive`, from the pepper, which is never changed: for what has to be found again after a change of JWT_SECRET. */
  deriveLasting(purpose: string): Buffer {
    return derived(this.passwordPepper, purpose);
  }

  /** As `derive`, and then what it was under each of JWT_PREVIOUS_SECRETS: to check what was made before a change. */
  deriveAll(purpose: string): readonly [Buffer, ...Buffer[]] {
    return [this.derive(purpose), ...this.previousSecrets.map((secret) => derived(secret, purpose))];
  }
}

function derived(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `parley ${purpose}`, 32));
}
