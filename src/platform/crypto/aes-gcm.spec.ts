import { createSecretKey, randomBytes } from 'node:crypto';
import { decryptWith, encryptWith } from './aes-gcm.js';

const key = createSecretKey(randomBytes(32));
const sealed = encryptWith(key, 'table column id', Buffer.from('a secret'));

describe('a sealed box', () => {
  it('opens with its key and context', () => {
    expect(decryptWith(key, 'table column id', sealed).toString()).toBe('a secret');
    expect(decryptWith(key, '', encryptWith(key, '', Buffer.alloc(0)))).toHaveLength(0);
  });

  it('says in its first byte how it is made, and is another each time', () => {
    expect(sealed[0]).toBe(1);
    expect(encryptWith(key, 'table column id', Buffer.from('a secret')).equals(sealed)).toBe(false);
    expect(sealed.includes('a secret')).toBe(false);
  });

  it('opens in no other context and with no other key', () => {
    expect(() => decryptWith(key, 'table column another', sealed)).toThrow();
    expect(() => decryptWith(createSecretKey(randomBytes(32)), 'table column id', sealed)).toThrow();
  });

  it('does not open when any byte of it has changed, or when it is shorter', () => {
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed[i] = (changed[i] as number) ^ 1;
      expect(() => decryptWith(key, 'table column id', changed)).toThrow();
      expect(() => decryptWith(key, 'table column id', sealed.subarray(0, i))).toThrow();
    }
  });
});
