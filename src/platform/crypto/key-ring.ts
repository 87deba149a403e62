import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../config/app-config.js';

/** Keys for one purpose each, derived from the configured secrets (HKDF-SHA-256, RFC 5869). */
@Injectable()
export class KeyRing {
  /** Signs access tokens. A KeyObject: parsing a string secret anew at each check costs fifty times the check. */
  readonly accessToken: KeyObject;
  /** Keys the HMAC under every password hash. */
  readonly passwordPepper: string;

  constructor(private readonly config: AppConfig) {
    if (config.jwtSecret === undefined || config.passwordPepper === undefined) throw new Error('secrets are not set');
    this.accessToken = createSecretKey(Buffer.from(config.jwtSecret));
    this.passwordPepper = config.passwordPepper;
  }

  /** 32 bytes that only this server and this purpose have. */
  derive(purpose: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.config.jwtSecret as string, '', `parley ${purpose}`, 32));
  }
}
