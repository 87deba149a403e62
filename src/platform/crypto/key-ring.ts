import { hkdfSync } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CryptoConfig } from './crypto.config.js';

/** Keys derived from the configured secrets (HKDF-SHA-256, RFC 5869), one for each purpose. */
@Injectable()
export class KeyRing {
  /** The key of the HMAC that is part of every password hash. */
  readonly passwordPepper: string;

  private readonly secret: string;
  private readonly previousSecrets: readonly string[];

  constructor({ jwtSecret, jwtPreviousSecrets, passwordPepper }: CryptoConfig) {
    if (jwtSecret === undefined || passwordPepper === undefined) throw new Error('secrets are not set');
    this.secret = jwtSecret;
    this.previousSecrets = jwtPreviousSecrets;
    this.passwordPepper = passwordPepper;
  }

  /** 32 bytes that are unique to this server and this purpose. */
  derive(purpose: string): Buffer {
    return derived(this.secret, purpose);
  }

  /** Like `derive`, but from the pepper, which never changes: for values that must stay the same after JWT_SECRET changes. */
  deriveLasting(purpose: string): Buffer {
    return derived(this.passwordPepper, purpose);
  }

  /** Like `derive`, followed by the keys from JWT_PREVIOUS_SECRETS: to verify what was made before a change. */
  deriveAll(purpose: string): readonly [Buffer, ...Buffer[]] {
    return [this.derive(purpose), ...this.previousSecrets.map((secret) => derived(secret, purpose))];
  }
}

function derived(secret: string, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `parley ${purpose}`, 32));
}
