import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

/** First byte of everything encrypted: which cipher and layout follow, so that another one can come beside it. */
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/**
 * Encrypts with AES-256-GCM: format byte, random nonce, ciphertext, tag.
 * @param context what the ciphertext is for; it can be decrypted with the same context only, and is not part of the result
 */
export function encryptWith(key: KeyObject, context: string, plaintext: Buffer): Buffer {
  const head = Buffer.concat([Buffer.from([FORMAT]), randomBytes(NONCE_BYTES)]);
  const cipher = createCipheriv(CIPHER, key, head.subarray(1), { authTagLength: TAG_BYTES });
  cipher.setAAD(authenticated(context));
  return Buffer.concat([head, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** What `encryptWith` encrypted. Throws when key, context or a single bit are others. */
export function decryptWith(key: KeyObject, context: string, encrypted: Buffer): Buffer {
  if (encrypted.length < 1 + NONCE_BYTES + TAG_BYTES || encrypted[0] !== FORMAT)
    throw new Error('not in a known format');
  const end = encrypted.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, encrypted.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(authenticated(context)).setAuthTag(encrypted.subarray(end));
  return Buffer.concat([decipher.update(encrypted.subarray(1 + NONCE_BYTES, end)), decipher.final()]);
}

function authenticated(context: string): Buffer {
  return Buffer.from(`${FORMAT} ${context}`);
}
