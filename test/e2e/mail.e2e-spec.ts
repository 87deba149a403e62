import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import request, { type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { KeyRing } from '../../src/platform/crypto/key-ring.js';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.js';
import { SystemScope } from '../../src/platform/database/system-scope.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { Mailer } from '../../src/platform/mail/mailer.js';
import { MailTokens } from '../../src/modules/auth/mail-token.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { Mailbox } from '../support/mailbox.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let box: Mailbox;
let ada: TestUser;

const NEW = 'a new pass phrase';

beforeAll(async () => {
  box = await Mailbox.open();
  t = await createTestApp({
    smtpUrl: box.url,
    mailFrom: 'Parley <no-reply@example.org>',
    appUrl: 'https://app.example.org/',
  });
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  await settled();
  box.mails.length = 0;
  box.offered = 0;
});
afterAll(async () => {
  await t.close();
  await box.close();
});

const settled = (): Promise<void> => t.app.get(Mailer).settled();
const post = (path: string, body: object, server = t.server): Test => request(server).post(path).send(body);
const forgot = (email: string): Test => post('/auth/password/forgot', { email });
const reset = (token: string, new_password = NEW): Test => post('/auth/password/reset', { token, new_password });
const verify = (token: string): Test => post('/auth/email/verify', { token });
const login = (email: string, password: string, server = t.server): Test =>
  post('/auth/login', { email, password }, server);
const refresh = (refresh_token: string): Test => post('/auth/refresh', { refresh_token });
const someEmail = (): string => `${randomBytes(6).toString('hex')}@example.com`;
const resetToken = async (user = ada): Promise<string> => {
  await forgot(user.email).expect(202);
  return box.token(user.email);
};
const verificationToken = async (): Promise<string> => {
  await ada.post('/auth/email/verification').expect(202);
  return box.token(ada.email);
};
const isVerified = async (user = ada): Promise<boolean> =>
  (
    await t.database.query<{ is: boolean }>('select email_verified_at is not null as is from users where id = $1', [
      user.id,
    ])
  )[0]?.is as boolean;
const actionsOf = async (user: TestUser): Promise<string[]> =>
  (
    await t.database.query<{ action: string }>('select action from audit_events where user_id = $1 order by seq', [
      user.id,
    ])
  ).map(({ action }) => action);
/** Tokens made by hand, as this server makes them. */
const madeUp = (purpose: string, prefix: string): MailTokens =>
  new MailTokens(prefix, t.app.get(KeyRing).derive(purpose));
const later = async (minutes: number, work: () => Promise<unknown>): Promise<void> => {
  const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() + minutes * 60_000);
  try {
    await work();
  } finally {
    clock.mockRestore();
  }
};

describe('a forgotten password', () => {
  it('is reset once by the link in an email; every sign-in ends and the address becomes verified', async () => {
    const byKey = ada.by((await ada.apiKey()).key);
    await byKey.get('/projects').expect(200);
    await forgot(ada.email.toUpperCase()).expect(202).expect('');
    const mail = await box.next(ada.email);
    expect(mail).toMatchObject({ from: 'Parley <no-reply@example.org>', subject: 'Reset your password' });
    const [, token = ''] = /https:\/\/app\.example\.org\/reset-password#token=(ppr_[\w-]+)\r?\n/.exec(mail.text) ?? [];
    await reset(token).expect(204);

    await login(ada.email, NEW).expect(200);
    expectProblem(await login(ada.email, PASSWORD), 'invalid_credentials');
    expectProblem(await ada.get('/users/me'), 'unauthenticated');
    expectProblem(await byKey.get('/projects'), 'unauthenticated');
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    expect(await isVerified()).toBe(true);
    expectProblem(await reset(token, 'yet another one'), 'invalid_mail_token');
    await login(ada.email, NEW).expect(200);
    expect(await actionsOf(ada)).toEqual(
      expect.arrayContaining(['account.password_reset_requested', 'account.password_reset']),
    );
  });

  it('is reset without bypassing the second factor', async () => {
    const { body } = await ada.post('/auth/second-factor', { password: PASSWORD }).expect(201);
    const secret = Secret.fromBase32((body as { secret: string }).secret);
    await ada.post('/auth/second-factor/confirm', { code: new TOTP({ secret }).generate() }).expect(200);
    await reset(await resetToken()).expect(204);
    expectProblem(await login(ada.email, NEW), 'second_factor_required');
  });

  it('gets the same response with and without an account, and only the owner gets an email', async () => {
    const unknown = someEmail();
    const answers = [bareAnswer(await forgot(ada.email)), bareAnswer(await forgot(unknown))].map(withoutLimit);
    expect(answers[0]).toEqual(answers[1]);
    await settled();
    expect(box.mails.map(({ to }) => to)).toEqual([ada.email]);
  });

  it('does the same work before the response with and without an account: no lookup', async () => {
    const spies = [
      jest.spyOn(t.app.get(SystemScope), 'query'),
      jest.spyOn(t.app.get(UnitOfWork), 'run'),
      jest.spyOn(t.app.get(PasswordHasher), 'hash'),
      jest.spyOn(t.app.get(PasswordHasher), 'verify'),
      // What it posts is done by nobody here.
      jest.spyOn(t.app.get(Mailer), 'post').mockReturnValue(true),
    ];
    const work = async (email: string): Promise<number[]> => {
      for (const spy of spies) spy.mockClear();
      await forgot(email).expect(202);
      return spies.map((spy) => spy.mock.calls.length);
    };
    try {
      const [known, unknown] = [await work(ada.email), await work(someEmail())];
      expect(known).toEqual(unknown);
      // One bucket is asked, and one job is posted.
      expect(known).toEqual([1, 0, 0, 0, 1]);
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });

  it('gets its response while the mail server hangs', async () => {
    const release = box.hold();
    try {
      await forgot(ada.email).expect(202);
      expect(box.mails).toEqual([]);
    } finally {
      release();
    }
    await box.next(ada.email);
  });

  it('is reset by exactly one of many concurrent requests with the same token', async () => {
    const token = await resetToken();
    const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => reset(token, `new pass phrase ${i}`)));
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    for (const answer of answers) if (answer.status !== 204) expectProblem(answer, 'invalid_mail_token');
  });

  it('invalidates all other tokens when it is reset or changed', async () => {
    const [first, second] = [await resetToken(), await resetToken()];
    await reset(second).expect(204);
    expectProblem(await reset(first), 'invalid_mail_token');
    const third = await resetToken();
    const { body } = await login(ada.email, NEW).expect(200);
    await post('/users/me/password', { current_password: NEW, new_password: PASSWORD })
      .set('authorization', `Bearer ${(body as { access_token: string }).access_token}`)
      .expect(204);
    expectProblem(await reset(third), 'invalid_mail_token');
  });

  it('can be reset for half an hour', async () => {
    const token = await resetToken();
    await later(31, async () => expectProblem(await reset(token), 'invalid_mail_token'));
    await later(28, async () => void (await reset(token).expect(204)));
  });

  it('must follow the rules for new passwords, and the token stays valid after a refusal', async () => {
    const token = await resetToken();
    for (const password of ['short', 'password123', ada.email]) {
      expectProblem(await reset(token, password), 'validation_failed', ['/new_password']);
    }
    await reset(token).expect(204);
  });

  it('is not changed when the sign-ins cannot be ended', async () => {
    const token = await resetToken();
    await t.database.query('alter table sign_ins add constraint ck_test check (revoked_at is null) not valid');
    try {
      expectProblem(await reset(token), 'internal_error');
    } finally {
      await t.database.query('alter table sign_ins drop constraint ck_test');
    }
    await login(ada.email, PASSWORD).expect(200);
    expect(await isVerified()).toBe(false);
    await reset(token).expect(204);
  });

  it.each<[string, (token: string) => Promise<string> | string]>([
    ['no token', () => 'x'],
    ['its last character missing', (token) => token.slice(0, -1)],
    ['another prefix', (token) => token.replace('ppr_', 'pev_')],
    ['no prefix', (token) => token.slice(4)],
    ['a changed character', (token) => token.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))],
    ['a later end', (token) => changed(token, (bytes) => bytes.writeUInt32BE(bytes.readUInt32BE(16) + 3600, 16))],
    [
      'another user',
      async (token) => {
        const eve = await TestUser.register(t);
        return changed(token, (bytes) => bytes.write(eve.id.replaceAll('-', ''), 0, 'hex'));
      },
    ],
    ['a token to verify the address', async () => (await verificationToken()).replace('pev_', 'ppr_')],
    ['a deleted account', () => madeUp('password-reset', 'ppr_').issue(newId(), Date.now() + 60_000, '["a","b"]')],
  ])('is not reset by %s', async (_what, forge) => {
    expectProblem(await reset(await forge(await resetToken())), 'invalid_mail_token');
    await login(ada.email, PASSWORD).expect(200);
    await ada.get('/users/me').expect(200);
  });

  it.each<[string, string, object, string]>([
    ['an invalid address', '/auth/password/forgot', { email: 'x' }, '/email'],
    ['no address', '/auth/password/forgot', {}, '/email'],
    ['a token that is a number', '/auth/password/reset', { token: 7, new_password: NEW }, '/token'],
    ['no new password', '/auth/password/reset', { token: 'x' }, '/new_password'],
    ['an unknown field', '/auth/password/reset', { token: 'x', new_password: NEW, id: 1 }, '/id'],
    ['no token', '/auth/email/verify', {}, '/token'],
  ])('answers 422 with a pointer for %s', async (_what, path, body, pointer) => {
    expectProblem(await post(path, body), 'validation_failed', [pointer]);
  });
});

describe('mails', () => {
  it('are sent again after a temporary refusal', async () => {
    box.refusals.push(451, 421);
    await forgot(ada.email).expect(202);
    await box.next(ada.email);
    expect(box.offered).toBe(3);
  });

  it('are given up after a permanent refusal and after the fourth attempt', async () => {
    box.refusals.push(550);
    await forgot(ada.email).expect(202);
    await settled();
    expect(box.offered).toBe(1);
    box.refusals.push(451, 451, 451, 451);
    await forgot(ada.email).expect(202);
    await settled();
    expect(box.offered).toBe(5);
    expect(box.mails).toEqual([]);
  });

  it('wait in a bounded queue; beyond it the route answers 503', async () => {
    const gates: (() => void)[] = [];
    const mailer = t.app.get(Mailer);
    const gate = (): Promise<null> => new Promise((resolve) => gates.push(() => resolve(null)));
    let isOpen = false;
    for (let i = 0; i < 1004; i++)
      expect(mailer.post('test', () => (isOpen ? Promise.resolve(null) : gate()))).toBe(true);
    expectProblem(await forgot(ada.email), 'overloaded');
    isOpen = true;
    for (const open of gates) open();
    await settled();
    await forgot(ada.email).expect(202);
  });

  it('to one address are limited, whoever requests them, and the response stays the same', async () => {
    const strict = await t.another({ mailsPerRecipient: 2 });
    for (let i = 0; i < 4; i++)
      await post('/auth/password/forgot', { email: ada.email }, strict.getHttpServer()).expect(202);
    await strict.get(Mailer).settled();
    expect(box.mails.map(({ to }) => to)).toEqual([ada.email, ada.email]);
  });

  it('requested from one client address are limited', async () => {
    const strict = (await t.another({ mailRequestsPerAddress: 2 })).getHttpServer();
    await t.database.query('delete from rate_limits');
    for (let i = 0; i < 2; i++) await post('/auth/password/forgot', { email: someEmail() }, strict).expect(202);
    expectProblem(await post('/auth/password/forgot', { email: someEmail() }, strict), 'rate_limited');
    await t.database.query('delete from rate_limits');
  });

  it('are refused with a clear error by a production server without a mail server', async () => {
    const mute = (await t.another({ nodeEnv: 'production', smtpUrl: undefined })).getHttpServer();
    expectProblem(await post('/auth/password/forgot', { email: ada.email }, mute), 'mail_not_configured');
    expectProblem(await ada.at(mute).post('/auth/email/verification'), 'mail_not_configured');
    await post('/auth/register', { email: someEmail(), password: PASSWORD }, mute).expect(201);
  });
});

describe('an e-mail address', () => {
  it('is verified by the link in the registration email; a second use changes nothing', async () => {
    const eve = await TestUser.register(t);
    expect((await eve.get('/users/me')).body).toMatchObject({ email_verified: false });
    const mail = await box.next(eve.email);
    expect(mail.subject).toBe('Confirm your e-mail address');
    const [, token = ''] = /https:\/\/app\.example\.org\/verify-email#token=(pev_[\w-]+)/.exec(mail.text) ?? [];
    for (let i = 0; i < 2; i++) await verify(token).expect(204);
    expect((await eve.get('/users/me')).body).toMatchObject({ email_verified: true });
    expect((await actionsOf(eve)).filter((action) => action === 'account.email_verified')).toHaveLength(1);
    expect(await isVerified()).toBe(false);
  });

  it('gets another email on request until it is verified', async () => {
    const token = await verificationToken();
    await verify(token).expect(204);
    await ada.post('/auth/email/verification').expect(202);
    await settled();
    expect(box.mails).toEqual([]);
  });

  it('gets its email outside the transaction of the Idempotency-Key', async () => {
    for (let i = 0; i < 2; i++) await ada.post('/auth/email/verification').set('idempotency-key', 'once').expect(202);
    await box.next(ada.email);
    await settled();
    expect(box.mails).toEqual([]);
  });

  it.each<[string, () => Promise<string> | string]>([
    ['no token', () => 'pev_x'],
    ['a token to reset the password', async () => (await resetToken()).replace('ppr_', 'pev_')],
    [
      'a token for another address',
      () => madeUp('email-verification', 'pev_').issue(ada.id, Date.now() + 60_000, 'x@y.z'),
    ],
    [
      'a token of another server',
      () => new MailTokens('pev_', randomBytes(32)).issue(ada.id, Date.now() + 60_000, ada.email),
    ],
  ])('is not verified by %s', async (_what, token) => {
    expectProblem(await verify(await token()), 'invalid_mail_token');
    expect(await isVerified()).toBe(false);
  });

  it('cannot be verified after a day or after its account was deleted', async () => {
    const token = await verificationToken();
    await later(24 * 60 + 1, async () => expectProblem(await verify(token), 'invalid_mail_token'));
    await ada.erase().expect(204);
    expectProblem(await verify(token), 'invalid_mail_token');
  });

  it('stays unverified when the event cannot be recorded', async () => {
    const token = await verificationToken();
    await t.database.query(
      `alter table audit_events add constraint ck_test check (action <> 'account.email_verified') not valid`,
    );
    try {
      expectProblem(await verify(token), 'internal_error');
    } finally {
      await t.database.query('alter table audit_events drop constraint ck_test');
    }
    expect(await isVerified()).toBe(false);
  });
});

function withoutLimit(answer: unknown): unknown {
  const { headers, ...rest } = answer as { headers: Record<string, string> };
  return { ...rest, headers: { ...headers, ratelimit: '…' } };
}

function changed(token: string, change: (bytes: Buffer) => void): string {
  const bytes = Buffer.from(token.slice(4), 'base64url');
  change(bytes);
  return token.slice(0, 4) + bytes.toString('base64url');
}
