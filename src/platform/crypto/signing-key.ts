import { createHash, createPrivateKey, createPublicKey, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';

/** About as strong as a symmetric key of 128 bits (NIST SP 800-57, part 1). */
const MIN_RSA_BITS = 3072;

/** A key for signed tokens. It determines the algorithm; the algorithm that a token names must be equal to it. */
export interface SigningKey {
  /** The `kid` of its tokens. */
  readonly id: string;
  readonly algorithm: 'HS256' | 'RS256' | 'EdDSA';
  /** Checks signatures: the public half, or the secret itself. */
  readonly verify: KeyObject;
  /** Makes signatures; absent when only the public half is known. */
  readonly sign?: KeyObject;
}

/**
 * Reads the key in a PEM file: a private key signs and verifies, a public key only verifies. Throws an Error that says what
 * is wrong with the file, without its path or any of its content.
 */
export function readKeyFile(path: string): SigningKey {
  const { sign, verify } = parsePem(readPem(path));
  const { asymmetricKeyType, asymmetricKeyDetails } = verify;
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) < MIN_RSA_BITS) {
    throw new Error(`holds an RSA key of less than ${MIN_RSA_BITS} bits`);
  }
  if (asymmetricKeyType !== 'rsa' && asymmetricKeyType !== 'ed25519') {
    throw new Error('holds a key that is neither Ed25519 nor RSA');
  }
  const algorithm = asymmetricKeyType === 'rsa' ? 'RS256' : 'EdDSA';
  return { id: thumbprint(verify), algorithm, verify, ...(sign === undefined ? {} : { sign }) };
}

/** Makes a key of a configured secret; its id reveals nothing about the secret. */
export function keyOfSecret(secret: string): SigningKey {
  const key = createSecretKey(Buffer.from(secret));
  const id = Buffer.from(hkdfSync('sha256', secret, '', 'parley key id', 12)).toString('base64url');
  return { id, algorithm: 'HS256', verify: key, sign: key };
}

/** Whether other accounts than the owner may read the file. */
export function isReadableByOthers(path: string): boolean {
  return process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0;
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`cannot be read (${(error as NodeJS.ErrnoException).code})`, { cause: error });
  }
}

function parsePem(pem: string): { sign?: KeyObject; verify: KeyObject } {
  try {
    if (!pem.includes('PRIVATE KEY-----')) return { verify: createPublicKey(pem) };
    const sign = createPrivateKey(pem);
    return { sign, verify: createPublicKey(sign) };
  } catch (cause) {
    throw new Error('holds no key in PEM form without a passphrase', { cause });
  }
}

/** RFC 7638: the digest of the required members of the key, in alphabetic order. */
function thumbprint(key: KeyObject): string {
  const { crv, e, kty, n, x } = key.export({ format: 'jwk' });
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x };
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url');
}
