import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

/** The first byte of every ciphertext. It names the cipher and the layout, so that others can be added. */
const FORMAT = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const CIPHER = 'aes-256-gcm';

/**
 * Encrypts with AES-256-GCM: format byte, random nonce, ciphertext, tag.
 * @param context what the ciphertext is for; decryption needs the same context, which is not part of the result
 */
export function encryptWith(key: KeyObject, context: string, plaintext: Buffer): Buffer {
  const head = Buffer.concat([Buffer.from([FORMAT]), randomBytes(NONCE_BYTES)]);
  const cipher = createCipheriv(CIPHER, key, head.subarray(1), { authTagLength: TAG_BYTES });
  cipher.setAAD(authenticated(context));
  return Buffer.concat([head, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Decrypts the result of `encryptWith`. Throws when the key, the context or a single bit differs. */
export function decryptWith(key: KeyObject, context: string, encrypted: Buffer): Buffer {
  if (encrypted.length < 1 + NONCE_BYTES + TAG_BYTES || encrypted[0] !== FORMAT)
    throw new Error('the format of the ciphertext is unknown');
  const end = encrypted.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, encrypted.subarray(1, 1 + NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(authenticated(context)).setAuthTag(encrypted.subarray(end));
  return Buffer.concat([decipher.update(encrypted.subarray(1 + NONCE_BYTES, end)), decipher.final()]);
}

function authenticated(context: string): Buffer {
  return Buffer.from(`${FORMAT} ${context}`);
}
