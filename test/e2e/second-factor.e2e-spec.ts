import { jest } from '@jest/globals';
import { Secret, TOTP } from 'otpauth';
import request, { type Response, type Test } from 'supertest';
import { Clock } from '../../src/kernel/clock.js';
import { forgedTokens } from '../attack/forged-tokens.mjs';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const STEP_MS = 30_000;

let t: TestApp;
let ada: TestUser;
/** How far the server's clock is ahead of the machine's. */
let aheadMs = 0;

beforeAll(async () => {
  t = await createTestApp();
  jest.spyOn(t.app.get(Clock), 'nowMs').mockImplementation(() => Date.now() + aheadMs);
});
afterAll(() => t.close());
beforeEach(async () => {
  aheadMs = 0;
  ada = await TestUser.register(t);
});

const post = (path: string, body: object): Test => request(t.server).post(path).send(body);
const login = (user: TestUser, password = PASSWORD): Test => post('/auth/login', { email: user.email, password });
const finish = (challenge: string, code: string): Test => post('/auth/login/second-factor', { challenge, code });
const nextStep = (): void => void (aheadMs += STEP_MS);
/** The code of an authenticator app whose clock is some steps off the server's. */
const codeOf = (secret: string, steps = 0): string =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + aheadMs + steps * STEP_MS });
const wrongOf = (code: string): string => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

async function challengeOf(user: TestUser): Promise<string> {
  const answer = await login(user);
  expectProblem(answer, 'second_factor_required');
  return (answer.body as { challenge: string }).challenge;
}

/** Switches it on; the code that did it is used up, so the clock moves on to the next. */
async function switchOn(user: TestUser): Promise<{ secret: string; recoveryCodes: string[] }> {
  const { secret } = (await user.post('/auth/second-factor', { password: PASSWORD }).expect(201)).body as {
    secret: string;
  };
  const { body } = await user.post('/auth/second-factor/confirm', { code: codeOf(secret) }).expect(200);
  nextStep();
  return { secret, recoveryCodes: (body as { recovery_codes: string[] }).recovery_codes };
}

const stateOf = async (user: TestUser): Promise<unknown> => (await user.get('/auth/second-factor').expect(200)).body;

describe('switching the second factor on', () => {
  it('returns a secret and its URI for an app; nothing changes before a code confirms it', async () => {
    const { body } = await ada.post('/auth/second-factor', { password: PASSWORD }).expect(201);
    const { secret, otpauth_uri } = body as { secret: string; otpauth_uri: string };
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
    const uri = new URL(otpauth_uri);
    expect([uri.protocol, uri.host]).toEqual(['otpauth:', 'totp']);
    expect(Object.fromEntries(uri.searchParams)).toMatchObject({ secret, issuer: 'parley', digits: '6', period: '30' });
    expect(decodeURIComponent(uri.pathname)).toContain(ada.email);
    expect(await stateOf(ada)).toEqual({ enabled: false, enabled_at: null, recovery_codes_left: 0 });
    await login(ada).expect(200);
  });

  it('needs the password', async () => {
    expectProblem(await ada.post('/auth/second-factor', { password: 'wrong' }), 'validation_failed', ['/password']);
  });

  it('needs a code of the newest secret', async () => {
    expectProblem(await ada.post('/auth/second-factor/confirm', { code: '123456' }), 'second_factor_off');
    const offers = [];
    for (let i = 0; i < 2; i++) {
      offers.push(
        (await ada.post('/auth/second-factor', { password: PASSWORD }).expect(201)).body as { secret: string },
      );
    }
    const [first, second] = offers.map(({ secret }) => codeOf(secret)) as [string, string];
    for (const code of [first, wrongOf(second), '', 'code']) {
      expectProblem(await ada.post('/auth/second-factor/confirm', { code }), 'validation_failed', ['/code']);
    }
    await ada.post('/auth/second-factor/confirm', { code: second }).expect(200);
  });

  it('returns ten recovery codes once, and is then on', async () => {
    const { recoveryCodes } = await switchOn(ada);
    expect(new Set(recoveryCodes).size).toBe(10);
    for (const code of recoveryCodes) expect(code).toMatch(/^([a-z2-7]{4}-){5}[a-z2-7]{4}$/);
    expect(await stateOf(ada)).toMatchObject({ enabled: true, recovery_codes_left: 10 });
    expectProblem(await ada.post('/auth/second-factor', { password: PASSWORD }), 'second_factor_on');
    expectProblem(await ada.post('/auth/second-factor/confirm', { code: '123456' }), 'second_factor_on');
  });

  it('ends all other sign-ins when it is switched on or off', async () => {
    const tokenOf = async (answer: Test): Promise<string> =>
      ((await answer.expect(200)).body as { access_token: string }).access_token;
    const before = ada.by(await tokenOf(login(ada)));
    const { secret, recoveryCodes } = await switchOn(ada);
    expectProblem(await before.get('/users/me'), 'unauthenticated');
    await ada.get('/users/me').expect(200);
    const other = ada.by(await tokenOf(finish(await challengeOf(ada), codeOf(secret))));
    await ada.delete('/auth/second-factor').send({ password: PASSWORD, code: recoveryCodes[0] }).expect(204);
    expectProblem(await other.get('/users/me'), 'unauthenticated');
    await ada.get('/users/me').expect(200);
  });

  it('leaves it off when the audit log cannot be written', async () => {
    const { body } = await ada.post('/auth/second-factor', { password: PASSWORD }).expect(201);
    const { secret } = body as { secret: string };
    await t.database.query('alter table audit_events add constraint ck_test check (false) not valid');
    try {
      const answer = await ada.post('/auth/second-factor/confirm', { code: codeOf(secret) });
      expectProblem(answer, 'internal_error');
    } finally {
      await t.database.query('alter table audit_events drop constraint ck_test');
    }
    expect(await stateOf(ada)).toMatchObject({ enabled: false, recovery_codes_left: 0 });
    nextStep();
    await ada.post('/auth/second-factor/confirm', { code: codeOf(secret) }).expect(200);
  });

  it('stores neither the secret nor a recovery code in plain text, not even for a repeated request', async () => {
    const keyed = (path: string, body: Record<string, unknown>): Test =>
      ada.post(path, body).set('idempotency-key', path);
    const { secret } = (await keyed('/auth/second-factor', { password: PASSWORD }).expect(201)).body as {
      secret: string;
    };
    const { body } = await keyed('/auth/second-factor/confirm', { code: codeOf(secret) }).expect(200);
    const { recovery_codes: codes } = body as { recovery_codes: string[] };
    const bytes = [secret, ...codes].flatMap((text) => [
      text,
      text.replaceAll('-', ''),
      Buffer.from(text).toString('hex'),
    ]);
    const tables = await t.database.query<{ name: string }>(
      `select table_name as name from information_schema.tables where table_schema = 'public'`,
    );
    for (const { name } of tables) {
      const [found] = await t.database.query(`select 1 from ${name} row where row::text ilike any ($1)`, [
        bytes.map((text) => `%${text}%`),
      ]);
      expect({ name, found }).toEqual({ name, found: undefined });
    }
  });
});

describe('signing in with a second factor', () => {
  let secret: string;
  let recoveryCodes: string[];

  beforeEach(async () => {
    ({ secret, recoveryCodes } = await switchOn(ada));
  });

  it('takes two steps: the password returns a challenge; challenge and code return the tokens', async () => {
    const challenge = await challengeOf(ada);
    const { body } = await finish(challenge, codeOf(secret)).expect(200);
    const { access_token, user } = body as { access_token: string; user: { id: string } };
    expect(user.id).toBe(ada.id);
    await request(t.server).get('/users/me').set('authorization', `Bearer ${access_token}`).expect(200);
  });

  it('reveals it only after the correct password', async () => {
    const unknown = await post('/auth/login', { email: 'nobody@example.com', password: PASSWORD });
    const wrong = await login(ada, 'not the password');
    expectProblem(wrong, 'invalid_credentials');
    const withCode = await post('/auth/login', { email: ada.email, password: 'wrong', otp: codeOf(secret) });
    for (const answer of [wrong, withCode]) expect(bareAnswer(answer)).toEqual(bareAnswer(unknown));
  });

  it('refuses a wrong code and allows another attempt with the challenge', async () => {
    const challenge = await challengeOf(ada);
    const code = codeOf(secret);
    for (const wrong of [wrongOf(code), '', 'x'])
      expectProblem(await finish(challenge, wrong), 'invalid_second_factor');
    await finish(challenge, ` ${code.slice(0, 3)} ${code.slice(3)} `).expect(200);
  });

  it('accepts each code once, also under concurrency, and never the code that switched it on', async () => {
    const challenge = await challengeOf(ada);
    expectProblem(await finish(challenge, codeOf(secret, -1)), 'invalid_second_factor');
    const code = codeOf(secret);
    const answers = await Promise.all(Array.from({ length: 4 }, () => finish(challenge, code)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
    for (const answer of answers) if (answer.status === 401) expectProblem(answer, 'invalid_second_factor');
  });

  it('refuses codes older than the last used one', async () => {
    aheadMs += 2 * STEP_MS;
    const challenge = await challengeOf(ada);
    await finish(challenge, codeOf(secret, 1)).expect(200);
    for (const steps of [0, 1]) expectProblem(await finish(challenge, codeOf(secret, steps)), 'invalid_second_factor');
  });

  it('accepts a clock that is one step off, but not two', async () => {
    aheadMs += 5 * STEP_MS;
    const challenge = await challengeOf(ada);
    for (const steps of [-2, 2]) expectProblem(await finish(challenge, codeOf(secret, steps)), 'invalid_second_factor');
    for (const steps of [-1, 1]) await finish(challenge, codeOf(secret, steps)).expect(200);
  });

  it('accepts each recovery code once, in any notation, and says how many are left', async () => {
    const challenge = await challengeOf(ada);
    const [first, second] = recoveryCodes as [string, string];
    await finish(challenge, first.toUpperCase().replaceAll('-', ' ')).expect(200);
    expectProblem(await finish(challenge, first), 'invalid_second_factor');
    const answers = await Promise.all(Array.from({ length: 4 }, () => finish(challenge, second)));
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 401, 401, 401]);
    expect(await stateOf(ada)).toMatchObject({ recovery_codes_left: 8 });
  });

  it('refuses a code of another user', async () => {
    const eve = await TestUser.register(t);
    const hers = await switchOn(eve);
    const challenge = await challengeOf(ada);
    for (const code of [codeOf(hers.secret), hers.recoveryCodes[0] as string]) {
      expectProblem(await finish(challenge, code), 'invalid_second_factor');
    }
  });

  it('limits guesses on all instances together, and lets the owner in again after a minute', async () => {
    const other = (await t.another()).getHttpServer();
    const challenge = await challengeOf(ada);
    const guess = (server: TestApp['server'], code: string): Test =>
      request(server).post('/auth/login/second-factor').send({ challenge, code });
    for (let i = 0; i < 5; i++) {
      expectProblem(await guess(i % 2 === 0 ? t.server : other, wrongOf(codeOf(secret))), 'invalid_second_factor');
    }
    const refused = await guess(other, codeOf(secret));
    expectProblem(refused, 'rate_limited');
    expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
    const eve = await TestUser.register(t);
    const hers = await switchOn(eve);
    await finish(await challengeOf(eve), codeOf(hers.secret)).expect(200);
    await t.database.query(`update rate_limits set full_at = full_at - interval '61 seconds'`);
    await finish(challenge, codeOf(secret)).expect(200);
  });

  it('does not limit correct codes', async () => {
    const challenge = await challengeOf(ada);
    for (const code of recoveryCodes) await finish(challenge, code).expect(200);
    expect(await stateOf(ada)).toMatchObject({ enabled: true, recovery_codes_left: 0 });
    await finish(challenge, codeOf(secret)).expect(200);
  });

  it('accepts a challenge for five minutes, and no other token in its place', async () => {
    const challenge = await challengeOf(ada);
    const tokens = [ada.accessToken, ada.refreshToken, ...forgedTokens({ token: challenge }).map(({ token }) => token)];
    for (const token of tokens) expectProblem(await finish(token, codeOf(secret)), 'invalid_challenge');
    const me = await request(t.server).get('/users/me').set('authorization', `Bearer ${challenge}`);
    expectProblem(me, 'unauthenticated');
    const another = await challengeOf(ada);
    aheadMs += 295_000;
    expectProblem(await finish(another, wrongOf(codeOf(secret))), 'invalid_second_factor');
    aheadMs += 5000;
    expectProblem(await finish(another, codeOf(secret)), 'invalid_challenge');
  });

  it.each(['otp', 'client_secret'])('accepts password and code in one form, in %s', async (field) => {
    const form = (code: string): Test =>
      request(t.server)
        .post('/auth/login')
        .type('form')
        .send({ grant_type: 'password', username: ada.email, password: PASSWORD, [field]: code });
    expectProblem(await form(wrongOf(codeOf(secret))), 'invalid_second_factor');
    await form(codeOf(secret)).expect(200);
  });

  it('is not required for a refresh, and stays on after a password change', async () => {
    await post('/auth/refresh', { refresh_token: ada.refreshToken }).expect(200);
    const body = { current_password: PASSWORD, new_password: 'another horse battery' };
    await ada.post('/users/me/password', body).expect(204);
    expectProblem(await login(ada, 'another horse battery'), 'second_factor_required');
  });

  it('does not let a disabled account complete a sign-in', async () => {
    const challenge = await challengeOf(ada);
    await t.database.query('update users set disabled_at = now() where id = $1', [ada.id]);
    expectProblem(await finish(challenge, codeOf(secret)), 'invalid_credentials');
  });

  it('stores no sign-in when a later step fails', async () => {
    const challenge = await challengeOf(ada);
    await t.database.query('alter table sign_ins add constraint ck_test check (false) not valid');
    try {
      expectProblem(await finish(challenge, recoveryCodes[0] as string), 'internal_error');
    } finally {
      await t.database.query('alter table sign_ins drop constraint ck_test');
    }
    await finish(challenge, codeOf(secret)).expect(200);
  });

  it.each([
    ['no challenge', { code: '123456' }, '/challenge'],
    ['no code', { challenge: 'x' }, '/code'],
    ['a code that is a number', { challenge: 'x', code: 123456 }, '/code'],
    ['an unknown field', { challenge: 'x', code: '123456', remember: true }, '/remember'],
  ])('answers 422 with a pointer for %s', async (_what, body, pointer) => {
    expectProblem(await post('/auth/login/second-factor', body), 'validation_failed', [pointer]);
  });
});

describe('with a second factor', () => {
  let secret: string;
  let recoveryCodes: string[];

  beforeEach(async () => {
    ({ secret, recoveryCodes } = await switchOn(ada));
  });

  const remove = (proof: object): Promise<Response> =>
    ada.delete('/auth/second-factor').send({ password: PASSWORD, ...proof });

  it('switching it off needs the password and a code', async () => {
    expectProblem(await remove({ password: 'wrong', code: codeOf(secret) }), 'validation_failed', ['/password']);
    expectProblem(await remove({ code: wrongOf(codeOf(secret)) }), 'validation_failed', ['/code']);
    expectProblem(await remove({}), 'validation_failed', ['/code']);
    expect(await stateOf(ada)).toMatchObject({ enabled: true });
    expect((await remove({ code: codeOf(secret) })).status).toBe(204);
    await login(ada).expect(200);
    expectProblem(await remove({ code: codeOf(secret) }), 'second_factor_off');
  });

  it('a recovery code can switch it off', async () => {
    expect((await remove({ code: recoveryCodes[3] })).status).toBe(204);
    await login(ada).expect(200);
  });

  it('new recovery codes need password and code, and invalidate the old ones', async () => {
    const renew = (proof: object): Promise<Response> =>
      ada.post('/auth/second-factor/recovery-codes', { password: PASSWORD, ...proof });
    expectProblem(await renew({ password: 'wrong', code: codeOf(secret) }), 'validation_failed', ['/password']);
    expectProblem(await renew({ code: wrongOf(codeOf(secret)) }), 'validation_failed', ['/code']);
    const answer = await renew({ code: codeOf(secret) });
    expect(answer.status).toBe(200);
    const renewed = (answer.body as { recovery_codes: string[] }).recovery_codes;
    expect(new Set([...renewed, ...recoveryCodes]).size).toBe(20);
    const challenge = await challengeOf(ada);
    expectProblem(await finish(challenge, recoveryCodes[0] as string), 'invalid_second_factor');
    await finish(challenge, renewed[0] as string).expect(200);
  });

  it('new recovery codes need an active second factor', async () => {
    const eve = await TestUser.register(t);
    const proof = { password: PASSWORD, code: '123456' };
    expectProblem(await eve.post('/auth/second-factor/recovery-codes', proof), 'second_factor_off');
  });

  it('the audit log of the account records everything', async () => {
    const challenge = await challengeOf(ada);
    await finish(challenge, wrongOf(codeOf(secret)));
    await finish(challenge, recoveryCodes[0] as string).expect(200);
    const proof = { password: PASSWORD, code: codeOf(secret) };
    await ada.post('/auth/second-factor/recovery-codes', proof).expect(200);
    nextStep();
    expect((await remove({ code: codeOf(secret) })).status).toBe(204);
    const events = await t.database.query<{ action: string; actor_kind: string; facts: object }>(
      `select action, actor_kind, facts from audit_events where user_id = $1 and action like 'second_factor.%' order by seq`,
      [ada.id],
    );
    expect(events).toEqual([
      { action: 'second_factor.enabled', actor_kind: 'user', facts: {} },
      { action: 'second_factor.failed', actor_kind: 'anonymous', facts: {} },
      { action: 'second_factor.recovery_code_used', actor_kind: 'anonymous', facts: { left: 9 } },
      { action: 'second_factor.recovery_codes_renewed', actor_kind: 'user', facts: {} },
      { action: 'second_factor.disabled', actor_kind: 'user', facts: {} },
    ]);
  });

  it('guesses with a stolen access token are limited too, for password and code', async () => {
    for (let i = 0; i < 3; i++) await remove({ password: 'wrong', code: '000000' });
    for (let i = 0; i < 2; i++) await remove({ code: wrongOf(codeOf(secret)) });
    expectProblem(await remove({ code: codeOf(secret) }), 'rate_limited');
  });

  it('deleting the account needs the password and a code, which is then used', async () => {
    const erase = (proof: object): Test => ada.delete('/users/me').send({ password: PASSWORD, ...proof });
    expectProblem(await erase({}), 'validation_failed', ['/code']);
    expectProblem(await erase({ code: wrongOf(codeOf(secret)) }), 'validation_failed', ['/code']);
    expectProblem(await erase({ password: 'wrong', code: codeOf(secret) }), 'validation_failed', ['/password']);
    expectProblem(await erase({ code: 123456 }), 'validation_failed', ['/code']);
    await ada.get('/users/me').expect(200);
    await erase({ code: recoveryCodes[0] }).expect(204);
  });

  it('everything is deleted with the account', async () => {
    await ada
      .delete('/users/me')
      .send({ password: PASSWORD, code: codeOf(secret) })
      .expect(204);
    expect(await t.database.query('select 1 from second_factors where user_id = $1', [ada.id])).toEqual([]);
  });
});
