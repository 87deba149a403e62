import { randomBytes } from 'node:crypto';
import { newId } from '../../kernel/ids.js';
import { type RefreshToken, RefreshTokens } from './refresh-token.js';

const tokens = new RefreshTokens([Buffer.from('the key of this server')]);
const signIn = { userId: newId(), id: newId(), seed: randomBytes(32), generation: 7 };
const text = tokens.issue(signIn);
const parsed = (token: string): RefreshToken => tokens.parse(token) as RefreshToken;
const bytes = (): Buffer => Buffer.from(text.slice(4), 'base64url');

describe('a refresh token', () => {
  it('names its user, sign-in and generation, and proves them', () => {
    expect(parsed(text)).toMatchObject({ userId: signIn.userId, signInId: signIn.id, generation: 7 });
    expect(tokens.matches(parsed(text), signIn.seed)).toBe(true);
  });

  it('begins with a prefix that scanners for leaked secrets recognise, and is safe in any text', () => {
    expect(text).toMatch(/^prt_[\w-]{91}$/);
  });

  it('is the same for the same generation, so that a lost response can be repeated', () => {
    expect(tokens.issue({ ...signIn })).toBe(text);
  });

  it.each([1, 2 ** 31, 2 ** 32 - 1])('has room for generation %d', (generation) => {
    const token = parsed(tokens.issue({ ...signIn, generation }));
    expect(token.generation).toBe(generation);
    expect(tokens.matches(token, signIn.seed)).toBe(true);
  });

  it('differs for another user, sign-in, generation, seed or key', () => {
    const others = [
      tokens.issue({ ...signIn, userId: newId() }),
      tokens.issue({ ...signIn, id: newId() }),
      tokens.issue({ ...signIn, generation: 8 }),
      tokens.issue({ ...signIn, seed: randomBytes(32) }),
      new RefreshTokens([Buffer.from('another key')]).issue(signIn),
    ];
    expect(new Set([text, ...others]).size).toBe(6);
  });

  it('does not match with another seed, or when another key made it', () => {
    expect(tokens.matches(parsed(text), randomBytes(32))).toBe(false);
    const foreign = new RefreshTokens([Buffer.from('another key')]).issue(signIn);
    expect(tokens.matches(parsed(foreign), signIn.seed)).toBe(false);
  });

  it('matches under a former key too, and is made by the newest', () => {
    const both = new RefreshTokens([Buffer.from('a new key'), Buffer.from('the key of this server')]);
    expect(both.matches(parsed(text), signIn.seed)).toBe(true);
    expect(tokens.matches(parsed(both.issue(signIn)), signIn.seed)).toBe(false);
  });

  it('does not match when any bit of it is changed', () => {
    for (let bit = 0; bit < 68 * 8; bit++) {
      const forged = bytes();
      forged[bit >> 3] = (forged[bit >> 3] as number) ^ (1 << (bit & 7));
      const token = tokens.parse(`prt_${forged.toString('base64url')}`);
      expect(token !== null && tokens.matches(token, signIn.seed)).toBe(false);
    }
  });

  it.each<[string, string]>([
    ['nothing', ''],
    ['another prefix', `xyz_${text.slice(4)}`],
    ['the prefix in upper case', `PRT_${text.slice(4)}`],
    ['no prefix', text.slice(4)],
    ['the prefix alone', 'prt_'],
    ['a byte less', `prt_${bytes().subarray(1).toString('base64url')}`],
    ['a byte more', `prt_${Buffer.concat([bytes(), Buffer.alloc(1)]).toString('base64url')}`],
    ['padding', `${text}=`],
    ['something that is no base64url', `${text}!`],
    ['a space before', ` ${text}`],
    ['a line end', `${text}\n`],
    ['a user that is no id', `prt_${Buffer.concat([Buffer.alloc(16), bytes().subarray(16)]).toString('base64url')}`],
    ['random bytes', `prt_${Buffer.alloc(68, 0xff).toString('base64url')}`],
  ])('is not recognised with %s', (_what, token) => {
    expect(tokens.parse(token)).toBeNull();
  });
});
