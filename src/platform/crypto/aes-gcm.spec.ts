import { createSecretKey, randomBytes } from 'node:crypto';
import { decryptWith, encryptWith } from './aes-gcm.js';

const key = createSecretKey(randomBytes(32));
const sealed = encryptWith(key, 'table column id', Buffer.from('a secret'));

describe('a ciphertext', () => {
  it('can be decrypted with its key and context', () => {
    expect(decryptWith(key, 'table column id', sealed).toString()).toBe('a secret');
    expect(decryptWith(key, '', encryptWith(key, '', Buffer.alloc(0)))).toHaveLength(0);
  });

  it('names its format in the first byte, and differs each time', () => {
    expect(sealed[0]).toBe(1);
    expect(encryptWith(key, 'table column id', Buffer.from('a secret')).equals(sealed)).toBe(false);
    expect(sealed.includes('a secret')).toBe(false);
  });

  it('cannot be decrypted in another context or with another key', () => {
    expect(() => decryptWith(key, 'table column another', sealed)).toThrow();
    expect(() => decryptWith(createSecretKey(randomBytes(32)), 'table column id', sealed)).toThrow();
  });

  it('cannot be decrypted when any byte was changed, or when it was shortened', () => {
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] as number) ^ 1;
      expect(() => decryptWith(key, 'table column id', changed)).toThrow();
      expect(() => decryptWith(key, 'table column id', sealed.subarray(0, i))).toThrow();
    }
  });
});
