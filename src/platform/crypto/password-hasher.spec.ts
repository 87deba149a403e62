import { createHmac } from 'node:crypto';
import bcrypt from 'bcryptjs';
import { CryptoConfig } from './crypto.config.js';
import { KeyRing } from './key-ring.js';
import { PasswordHasher } from './password-hasher.js';

const hashers: PasswordHasher[] = [];

function hasherWith(overrides: Partial<CryptoConfig> = {}): PasswordHasher {
  const config = Object.assign(new CryptoConfig(), {
    jwtSecret: 'a test secret that is long enough',
    passwordPepper: 'a test pepper that is long enough',
    bcryptCost: 4,
    workerThreads: 1,
    ...overrides,
  });
  const hasher = new PasswordHasher(config, new KeyRing(config));
  hashers.push(hasher);
  return hasher;
}

describe('the password hasher', () => {
  const hasher = hasherWith();

  afterAll(async () => {
    for (const one of hashers) await one.onApplicationShutdown();
  });

  it('makes bcrypt hashes of the configured cost, different each time', async () => {
    const [first, second] = [await hasher.hash('password'), await hasher.hash('password')];
    for (const hash of [first, second]) expect(hash).toMatch(/^\$2b\$04\$.{53}$/);
    expect(first).not.toBe(second);
    expect(await hasherWith({ bcryptCost: 6 }).hash('password')).toMatch(/^\$2b\$06\$/);
  });

  it('verifies the hashed password and no other', async () => {
    const hash = await hasher.hash('password');
    expect(await hasher.verify('password', hash)).toBe(true);
    for (const wrong of ['Password', 'password ', 'passwor', '', 'password\0']) {
      expect(await hasher.verify(wrong, hash)).toBe(false);
    }
  });

  it('verifies hashes of another cost than the configured one', async () => {
    expect(await hasherWith({ bcryptCost: 5 }).verify('password', await hasher.hash('password'))).toBe(true);
  });

  it('hashes the base64 of an HMAC with the pepper, so that a stolen hash alone cannot be guessed', async () => {
    const hash = await hasher.hash('password');
    const keyed = createHmac('sha256', 'a test pepper that is long enough').update('password').digest('base64');
    expect(await bcrypt.compare(keyed, hash)).toBe(true);
    expect(await bcrypt.compare('password', hash)).toBe(false);
    expect(await hasherWith({ passwordPepper: 'another pepper' }).verify('password', hash)).toBe(false);
  });

  it('reads every byte, beyond the 72 of bcrypt and beyond a NUL', async () => {
    const long = await hasher.hash(`${'a'.repeat(72)}1`);
    expect(await hasher.verify(`${'a'.repeat(72)}2`, long)).toBe(false);
    expect(await hasher.verify(`${'a'.repeat(72)}1`, long)).toBe(true);
    expect(await hasher.verify('a\0c', await hasher.hash('a\0b'))).toBe(false);
  });

  it('treats composed and decomposed forms of a text as equal, and look-alikes as different', async () => {
    const hash = await hasher.hash('caf\u00e9');
    expect(await hasher.verify('cafe\u0301', hash)).toBe(true);
    expect(await hasher.verify('cafe', hash)).toBe(false);
    expect(await hasher.verify('\uff43af\u00e9', hash)).toBe(false);
  });

  it('verifies nothing against no hash', async () => {
    for (const password of ['', 'password', '0'.repeat(31)]) expect(await hasher.verify(password, null)).toBe(false);
  });

  it('takes as long without a hash as with one, so that the time does not reveal accounts', async () => {
    const dear = hasherWith({ bcryptCost: 9 });
    const hash = await dear.hash('password');
    const timed = async (given: string | null): Promise<number> => {
      const start = performance.now();
      await dear.verify('wrong', given);
      return performance.now() - start;
    };
    const median = async (given: string | null): Promise<number> => {
      const times = [await timed(given), await timed(given), await timed(given)];
      return times.sort((a, b) => a - b)[1] as number;
    };
    const [withHash, without] = [await median(hash), await median(null)];
    // A malformed hash is refused in microseconds; a real comparison takes about 25 ms.
    expect(without).toBeGreaterThan(withHash / 4);
  });

  it('works in another thread and leaves the event loop free', async () => {
    let ticks = 0;
    const timer = setInterval(() => (ticks += 1), 1);
    await hasherWith({ bcryptCost: 10 }).hash('password');
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });
});
