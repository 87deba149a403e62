import { createHmac, createSecretKey, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JwtService } from '@nestjs/jwt';
import { newId } from '../../src/kernel/ids.js';
import { SignedTokens } from '../../src/platform/crypto/signed-tokens.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { type ForgedToken, forgedTokens, misusedTokens } from './forged-tokens.mjs';

const TYPE = 'at+jwt';
const ed25519 = generateKeyPairSync('ed25519').privateKey;
const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey;
const dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'forged-'));

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function pem(name: string, key: typeof rsa): string {
  const path = join(dir, name);
  writeFileSync(path, key.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  return path;
}

const SIGNERS = {
  HS256: (text: string, secret: string) => createHmac('sha256', secret).update(text).digest(),
  EdDSA: (text: string) => signWith(null, Buffer.from(text), ed25519),
  RS256: (text: string) => signWith('sha256', Buffer.from(text), rsa),
};

/** A live token, and bad ones of every kind: forged, or signed by the right key. */
async function tokensOf(
  t: TestApp,
  algorithm: keyof typeof SIGNERS,
): Promise<{ good: string; forged: ForgedToken[]; misused: ForgedToken[] }> {
  const claims = { sub: newId(), sid: newId(), email_verified: true };
  const token = await t.app.get(SignedTokens).sign(TYPE, claims, 60);
  const encode = (value: unknown): string =>
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
  const sign = (header: object, body: unknown): string => {
    const text = `${encode(header)}.${encode(body)}`;
    return `${text}.${SIGNERS[algorithm](text, String(t.config.jwtSecret)).toString('base64url')}`;
  };
  return { good: token, forged: forgedTokens({ token }), misused: misusedTokens({ token, sign }) };
}

describe.each<[keyof typeof SIGNERS, string[]]>([
  ['HS256', []],
  ['EdDSA', [pem('ed25519.pem', ed25519)]],
  ['RS256', [pem('rsa.pem', rsa)]],
])('a signed token of any kind, by %s', (algorithm, jwtKeyFiles) => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp({ jwtKeyFiles });
  });
  afterAll(() => t.close());

  it("is refused in every forged form; checking the ids in it is the caller's task", async () => {
    const tokens = t.app.get(SignedTokens);
    const { good, forged, misused } = await tokensOf(t, algorithm);
    expect(await tokens.verify(TYPE, good)).toMatchObject({ email_verified: true });
    const accepted: string[] = [];
    for (const { name, token } of [...forged, ...misused]) {
      if ((await tokens.verify(TYPE, token)) !== null) accepted.push(name);
    }
    // AccessTokens refuses these: test/e2e/access-tokens.e2e-spec.ts.
    expect(accepted).toEqual([
      'signed by the server, with an empty subject',
      'signed by the server, with a subject that is no id',
      'signed by the server, with a subject in upper case',
      'signed by the server, with no sign-in',
      'signed by the server, with a sign-in that is no id',
    ]);
  });
});

// A forgery proves nothing unless some verifier accepts it. This one relies on the defaults of jsonwebtoken.
describe("a verifier that relies on the library's defaults", () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t.close());

  async function acceptedWith(options: object): Promise<string[]> {
    const { good, forged, misused } = await tokensOf(t, 'HS256');
    const jwt = new JwtService({ secret: createSecretKey(Buffer.from(String(t.config.jwtSecret))) });
    const isAccepted = (token: string): boolean => {
      try {
        jwt.verify(token, options);
        return true;
      } catch {
        return false;
      }
    };
    expect(isAccepted(good)).toBe(true);
    return [...forged, ...misused].filter(({ token }) => isAccepted(token)).map(({ name }) => name);
  }

  const signed = (...names: string[]): unknown =>
    expect.arrayContaining(names.map((name) => `signed by the server, with ${name}`));

  it('accepts tokens of any issuer and audience, without expiry or subject, and of another kind', async () => {
    const accepted = await acceptedWith({ algorithms: ['HS256'] });
    expect(accepted).toEqual(signed('another issuer', 'no issuer', 'another audience', 'no audience'));
    expect(accepted).toEqual(signed('no end', 'no subject', 'been made at no time', 'been made far in the future'));
    expect(accepted).toEqual(
      signed('no type', 'the type JWT', 'the type of another kind of token of the same server', 'no key id'),
    );
    expect(accepted).toEqual(signed('a payload that is a list', 'a payload that is null'));
  });

  it('accepts unknown critical headers and unencoded payloads even with issuer and audience checks', async () => {
    const { jwtIssuer: issuer, jwtAudience: audience } = t.config;
    const accepted = await acceptedWith({ algorithms: ['HS256'], issuer, audience });
    expect(accepted).not.toContain('signed by the server, with no issuer');
    expect(accepted).toEqual(
      signed(
        'a critical header that nobody knows',
        'an empty list of critical headers',
        'a payload that is said not to be encoded',
        'a payload that is said not to be encoded, without crit',
        ...['no end', 'no subject', 'no type'],
      ),
    );
  });
});
