import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import request, { type Response, type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface SignedIn {
  user: { id: string; email: string; display_name: string | null; created_at: string };
  access_token: string;
  refresh_token: string;
  token_type: string;
  expires_in: number;
}

type Claims = Record<string, unknown>;

let t: TestApp;

beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t.close());

const post = (path: string, body?: object | string): Test => request(t.server).post(path).send(body);
const me = (token: string): Test => request(t.server).get('/users/me').set('authorization', `Bearer ${token}`);
const login = (email: string, password: string): Test => post('/auth/login', { email, password });
const refresh = (refresh_token: string): Test => post('/auth/refresh', { refresh_token });
const refreshed = async (token: string): Promise<SignedIn> => (await refresh(token).expect(200)).body as SignedIn;
const someEmail = (): string => `${randomBytes(6).toString('hex')}@example.com`;
const countOf = async (sql: string, values: unknown[] = []): Promise<number> =>
  Number((await t.database.query<{ count: string }>(`select count(*) ${sql}`, values))[0]?.count);

describe('registering', () => {
  it('creates the account, signs the user in and shows only public fields', async () => {
    const email = someEmail();
    const { body } = await post('/auth/register', { email, password: PASSWORD, display_name: 'Ada' }).expect(201);
    const signedIn = body as SignedIn;
    expect(Object.keys(signedIn).sort()).toEqual(['access_token', 'expires_in', 'refresh_token', 'token_type', 'user']);
    expect(signedIn.user).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as unknown,
      email,
      email_verified: false,
      display_name: 'Ada',
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
    });
    expect(signedIn).toMatchObject({ token_type: 'bearer', expires_in: t.config.jwtAccessTtlSeconds });
    expect((await me(signedIn.access_token).expect(200)).body).toEqual(signedIn.user);
    await refresh(signedIn.refresh_token).expect(200);
  });

  it('treats an address in any case and with stray spaces as the same one', async () => {
    const email = someEmail();
    const typed = `  ${email.toUpperCase()} `;
    const { body } = await post('/auth/register', { email: typed, password: PASSWORD }).expect(201);
    expect((body as SignedIn).user.email).toBe(email);
    await login(email, PASSWORD).expect(200);
    await login(typed, PASSWORD).expect(200);
  });

  it('refuses an address that has an account, in any case, and does not change that account', async () => {
    const ada = await TestUser.register(t);
    for (const email of [ada.email, ada.email.toUpperCase()]) {
      expectProblem(await post('/auth/register', { email, password: 'another password' }), 'email_taken');
    }
    expect(await countOf('from users where email = $1', [ada.email])).toBe(1);
    await login(ada.email, PASSWORD).expect(200);
    expectProblem(await login(ada.email, 'another password'), 'invalid_credentials');
  });

  it('gives an address to exactly one of twenty concurrent registrations', async () => {
    const email = someEmail();
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post('/auth/register', { email, password: PASSWORD })),
    );
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 201) expectProblem(answer, 'email_taken');
  });

  it.each<[string, object, string[]]>([
    ['an invalid address', { email: 'not-an-address' }, ['/email']],
    ['an address of 255 characters', { email: `${'a'.repeat(61)}@${'b.'.repeat(95)}com` }, ['/email']],
    ['an address that is a number', { email: 7 }, ['/email']],
    ['an address with half a surrogate pair', { email: 'a\ud83d@example.com' }, ['/email']],
    ['an address inside an address', { email: '"ada@example.com"@elsewhere.example.com' }, ['/email']],
    ['no address', { email: undefined }, ['/email']],
    ['a password of 7 characters', { password: 'short12' }, ['/password']],
    ['a password of 257 characters', { password: 'x'.repeat(257) }, ['/password']],
    ['a password that is an array', { password: ['correct horse battery'] }, ['/password']],
    ['no password', { password: null }, ['/password']],
    ['an empty name', { display_name: '' }, ['/display_name']],
    ['a name of 201 characters', { display_name: 'x'.repeat(201) }, ['/display_name']],
    ['a name with a NUL', { display_name: 'a\0b' }, ['/display_name']],
    ['half a surrogate pair', { display_name: 'a\ud83d' }, ['/display_name']],
    ['an unknown field', { role: 'admin' }, ['/role']],
    ['an id chosen by the client', { id: newId() }, ['/id']],
    ['several wrong fields, all of them', { email: 'x', password: 'y', z: 1 }, ['/z', '/email', '/password']],
  ])('answers 422 with a pointer for %s', async (_what, fields, pointers) => {
    const before = await countOf('from users');
    const answer = await post('/auth/register', { email: someEmail(), password: PASSWORD, ...fields });
    expectProblem(answer, 'validation_failed');
    const { errors } = answer.body as { errors: { pointer: string }[] };
    expect(new Set(errors.map(({ pointer }) => pointer))).toEqual(new Set(pointers));
    expect(await countOf('from users')).toBe(before);
  });

  it.each([
    ['one of the most common passwords', 'Password1', 'is one of the most common passwords'],
    ['their own address in another case', 'LOVELACE.ada1815', 'must not be made of the e-mail address'],
  ])('refuses %s with a pointer, creates no account and hashes nothing', async (_what, password, reason) => {
    const email = `lovelace.ada@${someEmail()}`.replace(/@(.+)@/, '@$1.');
    const answer = await post('/auth/register', { email, password });
    expectProblem(answer, 'validation_failed', ['/password']);
    expect(answer.text).toContain(reason);
    expect(await countOf('from users where email = $1', [email])).toBe(0);
  });

  it('checks the password rules for new accounts only, never for old ones', async () => {
    const ada = await TestUser.register(t);
    const hash = await t.app.get(PasswordHasher).hash('password1');
    await t.database.query('update users set password_hash = $2 where id = $1', [ada.id, hash]);
    await login(ada.email, 'password1').expect(200);
  });

  it('accepts a name of 200 characters as PostgreSQL counts them, however they are composed', async () => {
    const emoji = '\u2764\ufe0f';
    const register = (display_name: string): Test =>
      post('/auth/register', { email: someEmail(), password: PASSWORD, display_name });
    await register(emoji.repeat(100)).expect(201);
    expectProblem(await register(emoji.repeat(200)), 'validation_failed', ['/display_name']);
  });

  it('leaves no account behind when the sign-in cannot be written', async () => {
    const email = someEmail();
    await t.database.query('alter table sign_ins add constraint ck_test check (false) not valid');
    try {
      expectProblem(await post('/auth/register', { email, password: PASSWORD }), 'internal_error');
    } finally {
      await t.database.query('alter table sign_ins drop constraint ck_test');
    }
    expect(await countOf('from users where email = $1', [email])).toBe(0);
    await post('/auth/register', { email, password: PASSWORD }).expect(201);
  });
});

describe('passwords', () => {
  it('are stored only as bcrypt hashes of the configured cost', async () => {
    const canary = `canary ${randomBytes(8).toString('hex')}`;
    const email = someEmail();
    await post('/auth/register', { email, password: canary }).expect(201);
    const [user] = await t.database.query<{ password_hash: string }>('select * from users where email = $1', [email]);
    expect(user?.password_hash).toMatch(/^\$2[aby]\$04\$[./A-Za-z0-9]{53}$/);
    const tables = await t.database.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    expect(tables.map(({ name }) => name)).toContain('users');
    for (const { name } of tables) {
      expect(await countOf(`from ${name} row where row::text like $1`, [`%${canary}%`])).toBe(0);
    }
  });

  it('are hashed at the configured cost, and hashes of another cost still verify', async () => {
    const dearer = await t.another({ bcryptCost: 5 });
    const email = someEmail();
    await request(dearer.getHttpServer()).post('/auth/register').send({ email, password: PASSWORD }).expect(201);
    const [user] = await t.database.query<{ password_hash: string }>('select * from users where email = $1', [email]);
    expect(user?.password_hash).toMatch(/^\$2[aby]\$05\$/);
    await login(email, PASSWORD).expect(200);
  });

  it('differ even when they differ only beyond the 72 bytes that bcrypt reads', async () => {
    const email = someEmail();
    const common = 'a'.repeat(72);
    await post('/auth/register', { email, password: `${common}1` }).expect(201);
    expectProblem(await login(email, `${common}2`), 'invalid_credentials');
    expectProblem(await login(email, common), 'invalid_credentials');
    await login(email, `${common}1`).expect(200);
  });

  it('differ even when they differ only after a NUL', async () => {
    const email = someEmail();
    await post('/auth/register', { email, password: 'password\0one' }).expect(201);
    expectProblem(await login(email, 'password\0two'), 'invalid_credentials');
    await login(email, 'password\0one').expect(200);
  });

  it('are the same however the keyboard composes an accent', async () => {
    const [composed, decomposed] = ['pässwörd é'.normalize('NFC'), 'pässwörd é'.normalize('NFD')] as const;
    expect(composed).not.toBe(decomposed);
    for (const [chosen, typed] of [
      [composed, decomposed],
      [decomposed, composed],
    ]) {
      const email = someEmail();
      await post('/auth/register', { email, password: chosen }).expect(201);
      await login(email, typed as string).expect(200);
    }
  });

  it('wait in a bounded queue; beyond it sign-ins get 503 with Retry-After', async () => {
    const busy = (await t.another({ bcryptCost: 12, passwordQueue: 2 })).getHttpServer();
    const answers = await Promise.all(
      Array.from({ length: 12 }, () =>
        request(busy).post('/auth/login').send({ email: someEmail(), password: PASSWORD }),
      ),
    );
    const refused = answers.filter(({ status }) => status === 503);
    expect(refused.length).toBeGreaterThan(0);
    for (const answer of refused) {
      expectProblem(answer, 'overloaded');
      expect(answer.headers['retry-after']).toBe('2');
    }
    const heard = answers.filter(({ status }) => status !== 503);
    expect(heard.length).toBeGreaterThanOrEqual(2);
    for (const answer of heard) expectProblem(answer, 'invalid_credentials');
  });

  it('are case-sensitive and keep their spaces', async () => {
    const ada = await TestUser.register(t);
    for (const wrong of [PASSWORD.toUpperCase(), ` ${PASSWORD}`, `${PASSWORD} `]) {
      expectProblem(await login(ada.email, wrong), 'invalid_credentials');
    }
  });
});

describe('signing in', () => {
  let ada: TestUser;

  beforeAll(async () => {
    ada = await TestUser.register(t);
  });

  it('returns the tokens of a new sign-in each time', async () => {
    const first = (await login(ada.email, PASSWORD).expect(200)).body as SignedIn;
    const second = (await login(ada.email, PASSWORD).expect(200)).body as SignedIn;
    expect(first.user).toEqual(second.user);
    expect(first.user.id).toBe(ada.id);
    expect(claimsOf(first.access_token).sid).not.toBe(claimsOf(second.access_token).sid);
    await refresh(first.refresh_token).expect(200);
    await refresh(second.refresh_token).expect(200);
  });

  it("accepts the OAuth2 password form that Swagger's Authorize button posts", async () => {
    const form = { grant_type: 'password', username: ada.email.toUpperCase(), password: PASSWORD };
    for (const extra of [{}, { scope: '', client_id: 'swagger', client_secret: '' }]) {
      const { body } = await request(t.server)
        .post('/auth/login')
        .type('form')
        .send({ ...form, ...extra })
        .expect(200);
      expect(body).toMatchObject({ token_type: 'bearer', user: { id: ada.id } });
      await me((body as SignedIn).access_token).expect(200);
    }
  });

  it('refuses a wrong password by the form too', async () => {
    const form = { grant_type: 'password', username: ada.email, password: 'wrong' };
    expectProblem(await request(t.server).post('/auth/login').type('form').send(form), 'invalid_credentials');
  });

  it('gives byte for byte the same answer for an unknown address and a wrong password', async () => {
    const unknown = await login(someEmail(), PASSWORD);
    const wrong = await login(ada.email, 'not the password');
    expectProblem(wrong, 'invalid_credentials');
    expect(bareAnswer(unknown)).toEqual(bareAnswer(wrong));
  });

  it.each<[string, object, string]>([
    ['neither email nor username', { email: undefined }, '/email'],
    ['no password', { password: undefined }, '/password'],
    ['a password that is an object', { password: { length: 8 } }, '/password'],
    ['an address with a NUL', { email: 'a\0b@example.com' }, '/email'],
    ['a username with a NUL', { email: undefined, username: 'a\0b@example.com' }, '/username'],
    ['an unknown field', { remember: true }, '/remember'],
  ])('answers 422 with a pointer for %s', async (_what, fields, pointer) => {
    expectProblem(await post('/auth/login', { email: ada.email, password: PASSWORD, ...fields }), 'validation_failed', [
      pointer,
    ]);
  });
});

describe('refreshing', () => {
  let ada: TestUser;

  beforeEach(async () => {
    ada = await TestUser.register(t);
  });

  const familyOf = async (user: TestUser): Promise<{ generation: number; is_revoked: boolean; expires_at: Date }> => {
    const rows = await t.database.query<{ generation: number; is_revoked: boolean; expires_at: Date }>(
      'select generation, revoked_at is not null as is_revoked, expires_at from sign_ins where user_id = $1',
      [user.id],
    );
    expect(rows).toHaveLength(1);
    return rows[0] as { generation: number; is_revoked: boolean; expires_at: Date };
  };
  const age = (seconds: number): Promise<unknown> =>
    t.database.query(`update sign_ins set last_used_at = last_used_at - $2 * interval '1 second' where user_id = $1`, [
      ada.id,
      seconds,
    ]);

  it('exchanges the token for new, working tokens of the same sign-in', async () => {
    const child = await refreshed(ada.refreshToken);
    expect(child.refresh_token).not.toBe(ada.refreshToken);
    expect(child.user.id).toBe(ada.id);
    expect(claimsOf(child.access_token).sid).toBe(claimsOf(ada.accessToken).sid);
    await me(child.access_token).expect(200);
    const grandchild = await refreshed(child.refresh_token);
    await me(grandchild.access_token).expect(200);
    expect(await familyOf(ada)).toMatchObject({ generation: 3, is_revoked: false });
  });

  it('extends the sign-in', async () => {
    await t.database.query(`update sign_ins set expires_at = now() + interval '1 minute' where user_id = $1`, [ada.id]);
    await refreshed(ada.refreshToken);
    const end = (await familyOf(ada)).expires_at.getTime() - Date.now();
    expect(end).toBeGreaterThan((t.config.jwtRefreshTtlSeconds - 60) * 1000);
  });

  it('extends the sign-in up to its maximum age and no further, and refuses an older one', async () => {
    const old = (days: number): Promise<unknown> =>
      t.database.query(`update sign_ins set created_at = now() - $2 * interval '1 day' where user_id = $1`, [
        ada.id,
        days,
      ]);
    await old(89);
    const child = await refreshed(ada.refreshToken);
    const left = (await familyOf(ada)).expires_at.getTime() - Date.now();
    expect(left).toBeGreaterThan(86_000_000);
    expect(left).toBeLessThan(86_400_000);
    // It was refreshed while a longer life was configured.
    await t.database.query(`update sign_ins set expires_at = now() + interval '9 days' where user_id = $1`, [ada.id]);
    await old(91);
    expectProblem(await refresh(child.refresh_token), 'invalid_refresh_token');
  });

  it('returns the same successor again within 10 seconds, because the response may have been lost', async () => {
    const child = await refreshed(ada.refreshToken);
    const again = await refreshed(ada.refreshToken);
    expect(again.refresh_token).toBe(child.refresh_token);
    expect(await familyOf(ada)).toMatchObject({ generation: 2, is_revoked: false });
    await age(9);
    expect((await refreshed(ada.refreshToken)).refresh_token).toBe(child.refresh_token);
  });

  it('ends the whole family when a used token is reused after 10 seconds', async () => {
    const child = await refreshed(ada.refreshToken);
    await age(11);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    expectProblem(await refresh(child.refresh_token), 'invalid_refresh_token');
    expect(await familyOf(ada)).toMatchObject({ is_revoked: true });
  });

  it('ends the whole family, with its valid token, when an older ancestor is reused at once', async () => {
    const child = await refreshed(ada.refreshToken);
    const live = await refreshed(child.refresh_token);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    expectProblem(await refresh(live.refresh_token), 'invalid_refresh_token');
  });

  it('leaves other sign-ins of the user alone after a reuse', async () => {
    const other = (await login(ada.email, PASSWORD)).body as SignedIn;
    const child = await refreshed(ada.refreshToken);
    await refreshed(child.refresh_token);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    await refresh(other.refresh_token).expect(200);
  });

  it('leaves one valid successor when fifty requests use a token at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => refresh(ada.refreshToken)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    const children = new Set(answers.map(({ body }) => (body as SignedIn).refresh_token));
    expect(children.size).toBe(1);
    expect(await familyOf(ada)).toMatchObject({ generation: 2, is_revoked: false });
    await refresh([...children][0] as string).expect(200);
  });

  it('refuses a family that has expired', async () => {
    await t.database.query('update sign_ins set expires_at = now() where user_id = $1', [ada.id]);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
  });

  it('refuses a family that was revoked', async () => {
    await t.database.query('update sign_ins set revoked_at = now() where user_id = $1', [ada.id]);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
  });

  it('refuses the token of a deleted account', async () => {
    await ada.erase().expect(204);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
  });

  it('refuses a token rewritten to another user, sign-in or generation, and harms neither', async () => {
    const eve = await TestUser.register(t);
    const [hers, his] = [bytesOf(ada.refreshToken), bytesOf(eve.refreshToken)];
    const nextGeneration = Buffer.from(hers);
    nextGeneration.writeUInt32BE(2, 32);
    for (const forged of [
      Buffer.concat([hers.subarray(0, 16), his.subarray(16)]),
      Buffer.concat([hers.subarray(0, 36), his.subarray(36)]),
      Buffer.concat([his.subarray(0, 16), hers.subarray(16)]),
      nextGeneration,
    ]) {
      expectProblem(await refresh(tokenOf(forged)), 'invalid_refresh_token');
    }
    await refresh(ada.refreshToken).expect(200);
    await refresh(eve.refreshToken).expect(200);
  });

  it.each<[string, () => string]>([
    ['nothing', () => ''],
    ['a word', () => 'garbage'],
    ['only the prefix', () => 'prt_'],
    ['the right length of random bytes', () => tokenOf(randomBytes(68))],
    ['the right length of zeros', () => tokenOf(Buffer.alloc(68))],
    ['a random proof', () => tokenOf(Buffer.concat([bytesOf(ada.refreshToken).subarray(0, 36), randomBytes(32)]))],
    ['an access token', () => ada.accessToken],
    ['a token without its prefix', () => ada.refreshToken.slice(4)],
    ['a token without its end', () => ada.refreshToken.slice(0, -4)],
    ['a token with more at its end', () => `${ada.refreshToken}AAAA`],
  ])('answers 401 for %s', async (_what, token) => {
    const answer = await refresh(token());
    expectProblem(answer, 'invalid_refresh_token');
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
  });

  it.each<[string, object, string]>([
    ['none', {}, '/refresh_token'],
    ['a number', { refresh_token: 7 }, '/refresh_token'],
    ['501 characters', { refresh_token: 'x'.repeat(501) }, '/refresh_token'],
    ['an unknown field', { refresh_token: 'x', sub: newId() }, '/sub'],
  ])('answers 422 with a pointer for %s', async (_what, body, pointer) => {
    expectProblem(await post('/auth/refresh', body), 'validation_failed', [pointer]);
  });
});

describe('signing out', () => {
  it('ends only the family of this sign-in', async () => {
    const ada = await TestUser.register(t);
    const other = (await login(ada.email, PASSWORD)).body as SignedIn;
    await ada.post('/auth/logout').expect(204);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    expectUnauthenticated(await ada.post('/auth/logout'));
    await refresh(other.refresh_token).expect(200);
    await me(other.access_token).expect(200);
  });

  it('also ends the access token that is still valid', async () => {
    const ada = await TestUser.register(t);
    await me(ada.accessToken).expect(200);
    await ada.post('/auth/logout').expect(204);
    expectUnauthenticated(await me(ada.accessToken));
  });

  it('ends nothing when the revocation cannot be written', async () => {
    const ada = await TestUser.register(t);
    await t.database.query('alter table revocations add constraint ck_test check (false) not valid');
    try {
      expectProblem(await ada.post('/auth/logout'), 'internal_error');
    } finally {
      await t.database.query('alter table revocations drop constraint ck_test');
    }
    await me(ada.accessToken).expect(200);
    await refresh(ada.refreshToken).expect(200);
  });

  it('also ends a successor made by a refresh', async () => {
    const ada = await TestUser.register(t);
    const child = await refreshed(ada.refreshToken);
    await ada.post('/auth/logout').expect(204);
    expectProblem(await refresh(child.refresh_token), 'invalid_refresh_token');
  });
});

// What else must be refused is in access-tokens.e2e-spec.ts.
describe('an access token', () => {
  let ada: TestUser;
  let genuine: Claims;

  beforeAll(async () => {
    ada = await TestUser.register(t);
    genuine = claimsOf(ada.accessToken);
  });

  it('names the user, the sign-in and this server, and lives as long as the response says', () => {
    expect(genuine).toMatchObject({ sub: ada.id, iss: t.config.jwtIssuer, aud: t.config.jwtAudience });
    expect(Number(genuine.exp) - Number(genuine.iat)).toBe(t.config.jwtAccessTtlSeconds);
  });

  it('is refused once it has expired, though it was accepted before', async () => {
    const end = Number(genuine.exp) * 1000;
    const clock = jest.spyOn(Date, 'now');
    try {
      clock.mockReturnValue(end - 1000);
      for (let i = 0; i < 2; i++) await me(ada.accessToken).expect(200);
      clock.mockReturnValue(end);
      for (let i = 0; i < 2; i++) expectUnauthenticated(await me(ada.accessToken));
    } finally {
      clock.mockRestore();
    }
  });

  it.each<[string, () => string]>([
    ['no scheme', () => ada.accessToken],
    ['another scheme', () => `Basic ${ada.accessToken}`],
    ['a scheme alone', () => 'Bearer'],
    ['an empty token', () => 'Bearer '],
    ['something in front of the scheme', () => `Basic Bearer ${ada.accessToken}`],
    ['another text behind the token', () => `Bearer ${ada.accessToken} junk`],
    ['a parameter behind the token', () => `Bearer ${ada.accessToken}, realm="parley"`],
    ['the token twice', () => `Bearer ${ada.accessToken} ${ada.accessToken}`],
    ['a tab behind the scheme', () => `Bearer\t${ada.accessToken}`],
    ['a quoted token', () => `Bearer "${ada.accessToken}"`],
    ['a named token', () => `Bearer token=${ada.accessToken}`],
  ])('is refused in a header with %s', async (_what, authorization) => {
    // Twice: the first answer must not be what the second goes by. In between, the token itself becomes known.
    const ask = (): Test => request(t.server).get('/users/me').set('authorization', authorization());
    expectUnauthenticated(await ask());
    await me(ada.accessToken).expect(200);
    expectUnauthenticated(await ask());
  });

  it.each(['bearer', 'BEARER', 'Bearer  '])('is accepted after the scheme %j (RFC 9110, 11.4)', async (scheme) => {
    await request(t.server).get('/users/me').set('authorization', `${scheme} ${ada.accessToken}`).expect(200);
  });

  it('is not read from the query, the body or a cookie', async () => {
    expectUnauthenticated(await request(t.server).get(`/users/me?access_token=${ada.accessToken}`));
    expectUnauthenticated(await post('/auth/logout', { access_token: ada.accessToken }));
    expectUnauthenticated(
      await request(t.server)
        .get('/users/me')
        .set('Cookie', [`access_token=${ada.accessToken}`]),
    );
  });
});

function expectUnauthenticated(answer: Response): void {
  expectProblem(answer, 'unauthenticated');
  expect(answer.headers['www-authenticate']).toMatch(/^Bearer( |$)/);
}

function claimsOf(token: string): Claims {
  return JSON.parse(Buffer.from(token.split('.')[1] as string, 'base64url').toString()) as Claims;
}

function bytesOf(refreshToken: string): Buffer {
  return Buffer.from(refreshToken.slice(4), 'base64url');
}

function tokenOf(bytes: Buffer): string {
  return `prt_${bytes.toString('base64url')}`;
}
