import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { calculateJwkThumbprint, createLocalJWKSet, type JSONWebKeySet, type JWK, jwtVerify } from 'jose';
import request, { type Test } from 'supertest';
import type { AppConfig } from '../../src/app-config.js';
import { forgedTokens, misusedTokens } from '../attack/forged-tokens.mjs';
import { TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

type Server = TestApp['server'];
type Claims = Record<string, unknown>;

let dir: string;

beforeAll(() => {
  dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'keys-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ed25519 = generateKeyPairSync('ed25519');
const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 });

/** A PEM file of a key; the private ones as `openssl genpkey` writes them. */
function pem(name: string, key: typeof ed25519.privateKey): string {
  const path = join(dir, `${name}.pem`);
  writeFileSync(path, key.export({ format: 'pem', type: key.type === 'private' ? 'pkcs8' : 'spki' }), { mode: 0o600 });
  return path;
}

const me = (server: Server, token: string): Test =>
  request(server).get('/users/me').set('authorization', `Bearer ${token}`);
const keySetOf = async (server: Server): Promise<JSONWebKeySet> =>
  (await request(server).get('/.well-known/jwks.json').expect(200)).body as JSONWebKeySet;
const headerOf = (token: string): Claims => decoded(token, 0);
const decoded = (token: string, part: number): Claims =>
  JSON.parse(Buffer.from(token.split('.')[part] as string, 'base64url').toString()) as Claims;

describe.each<[string, () => Partial<AppConfig>]>([
  ['HS256', () => ({})],
  ['EdDSA', () => ({ jwtKeyFiles: [pem('ed25519', ed25519.privateKey)] })],
  ['RS256', () => ({ jwtKeyFiles: [pem('rsa', rsa.privateKey), pem('ed25519-public', ed25519.publicKey)] })],
])('an access token signed by %s', (algorithm, keys) => {
  let t: TestApp;
  let ada: TestUser;

  beforeAll(async () => {
    t = await createTestApp(keys());
    ada = await TestUser.register(t);
  });
  afterAll(() => t.close());

  /** Signs as the server does. */
  function sign(header: object, claims: unknown): string {
    const encode = (value: unknown): string =>
      Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
    const signed = `${encode(header)}.${encode(claims)}`;
    const signature =
      algorithm === 'HS256'
        ? createHmac('sha256', t.config.jwtSecret as string)
            .update(signed)
            .digest()
        : signWith(
            algorithm === 'EdDSA' ? null : 'sha256',
            Buffer.from(signed),
            algorithm === 'EdDSA' ? ed25519.privateKey : rsa.privateKey,
          );
    return `${signed}.${signature.toString('base64url')}`;
  }

  it('names its type, its algorithm and its key', () => {
    expect(headerOf(ada.accessToken)).toEqual({ alg: algorithm, typ: 'at+jwt', kid: expect.any(String) as unknown });
  });

  it('is accepted when a test signs it correctly, so each refusal below has the reason that it names', async () => {
    const [header, claims] = [headerOf(ada.accessToken), decoded(ada.accessToken, 1)];
    await me(t.server, sign(header, claims)).expect(200);
    const now = Math.floor(Date.now() / 1000);
    await me(t.server, sign(header, { ...claims, exp: now + 5, nbf: now, iat: now + 30, jti: 'x' })).expect(200);
  });

  it('is refused in every forged form, always with the same error', async () => {
    const { accessToken: token, refreshToken } = ada;
    const publicKeys = (await keySetOf(t.server)).keys;
    const forged = [...forgedTokens({ token, publicKeys, refreshToken }), ...misusedTokens({ token, sign })];
    expect(new Set(forged.map(({ name }) => name)).size).toBe(forged.length);
    expect(forged.length).toBeGreaterThan(110);
    const anonymous = await request(t.server).get('/users/me');
    expectProblem(anonymous, 'unauthenticated');
    const accepted: string[] = [];
    for (const { name, token: text } of forged) {
      expect(text).not.toBe(token);
      const answer = await me(t.server, text);
      if (answer.status !== 401) accepted.push(`${name}: ${answer.status}`);
      else expect(bareAnswer(answer)).toEqual(bareAnswer(anonymous));
    }
    expect(accepted).toEqual([]);
    await me(t.server, token).expect(200);
  });
});

describe('the key set', () => {
  it('is empty while tokens are signed by a secret', async () => {
    const t = await createTestApp();
    try {
      expect(await keySetOf(t.server)).toEqual({ keys: [] });
    } finally {
      await t.close();
    }
  });

  it('lists the public half of every key by its thumbprint, can be cached, and lets anybody verify a token', async () => {
    const t = await createTestApp({
      jwtKeyFiles: [pem('rsa-public', rsa.publicKey), pem('ed25519', ed25519.privateKey)],
    });
    try {
      const answer = await request(t.server).get('/.well-known/jwks.json').expect(200);
      expect(answer.headers['cache-control']).toBe('public, max-age=300');
      const set = answer.body as JSONWebKeySet;
      expect(set).toEqual({
        keys: [
          {
            ...rsa.publicKey.export({ format: 'jwk' }),
            alg: 'RS256',
            use: 'sig',
            kid: await thumbprint(rsa.publicKey),
          },
          {
            ...ed25519.publicKey.export({ format: 'jwk' }),
            ...{ alg: 'EdDSA', use: 'sig', kid: await thumbprint(ed25519.publicKey) },
          },
        ],
      });
      for (const key of set.keys) for (const part of ['d', 'p', 'q', 'k']) expect(key).not.toHaveProperty(part);
      const ada = await TestUser.register(t);
      const { payload } = await jwtVerify(ada.accessToken, createLocalJWKSet(set), {
        issuer: t.config.jwtIssuer,
        audience: t.config.jwtAudience,
        typ: 'at+jwt',
      });
      expect(payload.sub).toBe(ada.id);
    } finally {
      await t.close();
    }
  });

  const thumbprint = (key: typeof rsa.publicKey): Promise<string> =>
    calculateJwkThumbprint(key.export({ format: 'jwk' }) as JWK);
});

describe('changing keys', () => {
  const [oldSecret, newSecret] = ['the old one 0123456789-abcdefghijkl', 'the new one 0123456789-abcdefghijkl'];
  const refresh = (server: Server, refresh_token: string): Test =>
    request(server).post('/auth/refresh').send({ refresh_token });

  /** The server as each step in turn starts it, on one database; only the newest is asked. */
  async function inSteps(steps: Partial<AppConfig>[], check: (server: Server, step: number) => Promise<void>) {
    const t = await createTestApp(steps[0]);
    try {
      await check(t.server, 0);
      for (let i = 1; i < steps.length; i++) await check((await t.another(steps[i])).getHttpServer(), i);
    } finally {
      await t.close();
    }
  }

  /** Registers at the first step; at each further one the tokens of all before must still work. */
  async function nobodyIsSignedOut(steps: Partial<AppConfig>[]): Promise<Claims[]> {
    const tokens: string[] = [];
    let refreshToken = '';
    await inSteps(steps, async (server, step) => {
      for (const token of tokens) await me(server, token).expect(200);
      if (step === 0) ({ refreshToken } = await TestUser.register({ server }));
      const { body } = await refresh(server, refreshToken).expect(200);
      const fresh = body as { access_token: string; refresh_token: string };
      refreshToken = fresh.refresh_token;
      tokens.push(fresh.access_token);
      await me(server, fresh.access_token).expect(200);
    });
    return tokens.map(headerOf);
  }

  it('signs nobody out when a new secret replaces the old one', async () => {
    const headers = await nobodyIsSignedOut([
      { jwtSecret: oldSecret },
      { jwtSecret: oldSecret, jwtPreviousSecrets: [newSecret] },
      { jwtSecret: newSecret, jwtPreviousSecrets: [oldSecret] },
    ]);
    expect(headers[0]?.kid).toBe(headers[1]?.kid);
    expect(headers[2]?.kid).not.toBe(headers[1]?.kid);
  });

  it('signs everybody out when the old secret is removed', async () => {
    let ada: TestUser;
    await inSteps([{ jwtSecret: oldSecret }, { jwtSecret: newSecret }], async (server, step) => {
      if (step === 0) ada = await TestUser.register({ server });
      else {
        expectProblem(await me(server, ada.accessToken), 'unauthenticated');
        expectProblem(await refresh(server, ada.refreshToken), 'invalid_refresh_token');
      }
    });
  });

  it('signs nobody out when a key pair replaces a secret, and another key pair replaces that', async () => {
    const headers = await nobodyIsSignedOut([
      {},
      { jwtKeyFiles: [pem('rsa-public', rsa.publicKey)] },
      { jwtKeyFiles: [pem('rsa', rsa.privateKey), pem('ed25519-public', ed25519.publicKey)] },
      { jwtKeyFiles: [pem('ed25519', ed25519.privateKey), pem('rsa-public', rsa.publicKey)] },
    ]);
    expect(headers.map(({ alg }) => alg)).toEqual(['HS256', 'HS256', 'RS256', 'EdDSA']);
  });

  it('refuses tokens of a key that was removed', async () => {
    let ada: TestUser;
    const steps = [
      { jwtKeyFiles: [pem('ed25519', ed25519.privateKey)] },
      { jwtKeyFiles: [pem('rsa', rsa.privateKey)] },
    ];
    await inSteps(steps, async (server, step) => {
      if (step === 0) ada = await TestUser.register({ server });
      else {
        expectProblem(await me(server, ada.accessToken), 'unauthenticated');
        await refresh(server, ada.refreshToken).expect(200);
      }
    });
  });

  it('keeps issued list cursors valid', async () => {
    let ada: TestUser;
    let cursor: string;
    const steps = [{ jwtSecret: oldSecret }, { jwtSecret: newSecret, jwtPreviousSecrets: [oldSecret] }];
    await inSteps(steps, async (server, step) => {
      if (step === 0) {
        ada = await TestUser.register({ server });
        for (const name of ['One', 'Two']) await ada.project({ name });
        cursor = ((await ada.get('/projects?limit=1').expect(200)).body as { next_cursor: string }).next_cursor;
      } else {
        await ada.at(server).get(`/projects?limit=1&cursor=${cursor}`).expect(200);
      }
    });
  });
});
