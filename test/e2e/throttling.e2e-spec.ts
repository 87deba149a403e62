import { randomBytes } from 'node:crypto';
import request, { type Response, type Test } from 'supertest';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let other: TestApp['server'];
let ada: TestUser;
let count = 0;

beforeAll(async () => {
  // One proxy in front tells where each request comes from.
  t = await createTestApp({
    trustedProxies: 1,
    loginFailures: 3,
    loginFailuresPerAddress: 8,
    loginFailuresPerAccount: 5,
    registrationsPerAddress: 3,
    refreshesPerAddress: 3,
  });
  other = (await t.another()).getHttpServer();
});
beforeEach(async () => {
  await t.database.query('delete from rate_limits');
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

/** An address that nobody has been seen at. */
const somewhere = (): string => `198.51.${(count += 1) >> 8}.${count & 255}`;
const someEmail = (): string => `${randomBytes(6).toString('hex')}@example.com`;
const ask = (from: string, path: string, body: object, server = t.server): Test =>
  request(server).post(path).set('x-forwarded-for', from).send(body);
const login = (from: string, email: string, password: string, server = t.server): Test =>
  ask(from, '/auth/login', { email, password }, server);
const fail = async (times: number, from: () => string, email: string, server = t.server): Promise<void> => {
  for (let i = 0; i < times; i++)
    expectProblem(await login(from(), email, `wrong ${i}`, server), 'invalid_credentials');
};

function expectLimited(answer: Response, policy: string): void {
  expectProblem(answer, 'rate_limited');
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect(answer.headers['ratelimit-policy']).toBe(policy);
  expect(answer.headers.ratelimit).toMatch(/^"[a-z-]+";r=0;t=\d+$/);
}

const PAIR = '"login";q=3;w=900';

describe('wrong passwords', () => {
  it('from one address end in 429 with Retry-After, even for the correct password', async () => {
    const from = somewhere();
    await fail(3, () => from, ada.email);
    expectLimited(await login(from, ada.email, 'wrong'), PAIR);
    expectLimited(await login(from, ada.email, PASSWORD), PAIR);
    await login(somewhere(), ada.email, PASSWORD).expect(200);
  });

  it('are counted by all instances together', async () => {
    const from = somewhere();
    await fail(2, () => from, ada.email);
    await fail(1, () => from, ada.email, other);
    expectLimited(await login(from, ada.email, PASSWORD), PAIR);
  });

  it('that are sent concurrently are counted one by one', async () => {
    const from = somewhere();
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => login(from, ada.email, `guess ${i}`, i % 2 === 0 ? t.server : other)),
    );
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(17);
  });

  it('for an unknown email address are counted and answered the same', async () => {
    const answersFor = async (email: string): Promise<unknown[]> => {
      const from = somewhere();
      const answers = [];
      for (let i = 0; i < 5; i++) answers.push(bareAnswer(await login(from, email, 'wrong')));
      // Some seconds may have passed from one to the next.
      return JSON.parse(JSON.stringify(answers).replace(/("retry-after":"|;t=)\d+/g, '$1…')) as unknown[];
    };
    const [known, unknown] = [await answersFor(ada.email), await answersFor(someEmail())];
    expect(known).toEqual(unknown);
    expect(known).toHaveLength(5);
  });

  it('for many accounts from one address also end in 429', async () => {
    const from = somewhere();
    for (let i = 0; i < 8; i++) expectProblem(await login(from, someEmail(), 'wrong'), 'invalid_credentials');
    expectLimited(await login(from, someEmail(), 'wrong'), '"login-address";q=8;w=900');
    expectLimited(await login(from, ada.email, PASSWORD), '"login-address";q=8;w=900');
  });

  it('for one account from many addresses do not lock out an owner at a known address', async () => {
    const home = somewhere();
    await login(home, ada.email, PASSWORD).expect(200);
    await fail(5, somewhere, ada.email);
    expectLimited(await login(somewhere(), ada.email, PASSWORD), '"login-account";q=5;w=3600');
    await login(home, ada.email, PASSWORD).expect(200);
    await ask(somewhere(), '/auth/refresh', { refresh_token: ada.refreshToken }).expect(200);
    await ada.get('/users/me').expect(200);
  });

  it('of the owner at a known address count at that address only', async () => {
    const home = somewhere();
    await login(home, ada.email, PASSWORD).expect(200);
    await fail(3, () => home, ada.email);
    expectLimited(await login(home, ada.email, PASSWORD), PAIR);
    await login(somewhere(), ada.email, PASSWORD).expect(200);
  });

  it('refused from one address do not use up the attempts of others', async () => {
    const from = somewhere();
    await fail(3, () => from, ada.email);
    for (let i = 0; i < 10; i++) expectLimited(await login(from, ada.email, 'wrong'), PAIR);
    await fail(2, somewhere, ada.email);
  });

  it("that exceed the limit are recorded in the account's audit log once an hour", async () => {
    const from = somewhere();
    await fail(3, () => from, ada.email);
    for (let i = 0; i < 5; i++) expectLimited(await login(from, ada.email, 'wrong'), PAIR);
    const query = `select 1 from audit_events where user_id = $1 and action = 'sign_in.throttled'`;
    await expectSoon(async () => expect(await t.database.query(query, [ada.id])).toHaveLength(1));
  });

  it('are not counted while the correct one is refused too', async () => {
    const from = somewhere();
    for (let i = 0; i < 6; i++) await login(from, ada.email, PASSWORD).expect(200);
    await fail(3, () => from, ada.email);
  });

  it('are allowed again with time', async () => {
    const from = somewhere();
    await fail(3, () => from, ada.email);
    await t.database.query(`update rate_limits set full_at = full_at - interval '5 minutes'`);
    await fail(1, () => from, ada.email);
    expectLimited(await login(from, ada.email, PASSWORD), PAIR);
  });
});

describe('an address', () => {
  it('is not read from X-Forwarded-For unless a proxy is trusted', async () => {
    const open = (await t.another({ trustedProxies: 0 })).getHttpServer();
    await fail(3, somewhere, ada.email, open);
    expectLimited(await login(somewhere(), ada.email, 'wrong', open), PAIR);
  });

  it('is deleted with its account, and never stored in plain text', async () => {
    await login('203.0.113.77', ada.email, PASSWORD).expect(200);
    const rows = await t.database.query<{ row: string }>(
      `select encode(address_hash, 'escape') as row from sign_in_addresses where user_id = $1`,
      [ada.id],
    );
    expect(rows.length).toBeGreaterThan(0);
    expect(JSON.stringify(rows)).not.toContain('203.0.113.77');
    await ada.erase().expect(204);
    const query = 'select 1 from sign_in_addresses where user_id = $1';
    expect(await t.database.query(query, [ada.id])).toEqual([]);
  });
});

describe('a route with a limit for each address', () => {
  it('reports the remaining requests, refuses beyond the limit, and keeps addresses apart', async () => {
    const from = somewhere();
    const register = (): Test => ask(from, '/auth/register', { email: someEmail(), password: PASSWORD });
    for (const left of [2, 1, 0]) {
      const { headers } = await register().expect(201);
      expect(headers['ratelimit-policy']).toBe('"register";q=3;w=3600');
      expect(headers.ratelimit).toMatch(new RegExp(`^"register";r=${left};t=\\d+$`));
    }
    expectLimited(await register(), '"register";q=3;w=3600');
    await ask(somewhere(), '/auth/register', { email: someEmail(), password: PASSWORD }).expect(201);
  });

  it('also counts requests that are refused for other reasons', async () => {
    const from = somewhere();
    for (let i = 0; i < 3; i++) {
      expectProblem(await ask(from, '/auth/refresh', { refresh_token: 'prt_x' }), 'invalid_refresh_token');
    }
    expectLimited(await ask(from, '/auth/refresh', { refresh_token: ada.refreshToken }), '"refresh";q=3;w=900');
  });

  it('checks the limit before the token', async () => {
    const from = somewhere();
    for (let i = 0; i < 8; i++) expectProblem(await ask(from, '/users/me/password', {}), 'unauthenticated');
    expectLimited(await ask(from, '/users/me/password', {}), '"password";q=8;w=900');
  });
});
