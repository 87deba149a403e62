import { createHash, createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';

const PREFIX = 'prk_';
const SECRET_BYTES = 32;
/** Together with the secret a multiple of three, so each key has only one base64url spelling. */
const SEAL_BYTES = 10;
const SHOWN_CHARS = 12;

// 42 bytes are 56 characters.
const FORM = /^prk_[\w-]{56}$/;

/** Whether a bearer token has the form of an API key. */
export function isApiKey(token: string): boolean {
  return FORM.test(token);
}

/** The stored parts of a key: the hash finds it, the prefix lets a person recognise it. */
export interface KeptKey {
  readonly hash: Buffer;
  readonly prefix: string;
}

/**
 * API keys: a prefix that scanners for leaked secrets recognise, 256 random bits, and a truncated HMAC over them with a
 * key of this server. Because of the HMAC, a flood of invented keys is refused without a database query.
 */
export class ApiKeys {
  private readonly sealKey: Buffer;

  /** @param secret must stay the same as long as the database, because a change invalidates all keys */
  constructor(secret: string) {
    this.sealKey = Buffer.from(hkdfSync('sha256', secret, '', 'parley api-key', 32));
  }

  make(): KeptKey & { readonly key: string } {
    const secret = randomBytes(SECRET_BYTES);
    const key = PREFIX + Buffer.concat([secret, this.seal(secret)]).toString('base64url');
    return { key, hash: hashOf(key), prefix: key.slice(0, SHOWN_CHARS) };
  }

  /** Whether this server may have made the key. */
  isSealed(key: string): boolean {
    const bytes = Buffer.from(key.slice(PREFIX.length), 'base64url');
    if (!key.startsWith(PREFIX) || bytes.length !== SECRET_BYTES + SEAL_BYTES) return false;
    return timingSafeEqual(bytes.subarray(SECRET_BYTES), this.seal(bytes.subarray(0, SECRET_BYTES)));
  }

  private seal(secret: Buffer): Buffer {
    return createHmac('sha256', this.sealKey).update(secret).digest().subarray(0, SEAL_BYTES);
  }
}

/** The stored form of a key. 256 random bits need no slow hash. */
export function hashOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
