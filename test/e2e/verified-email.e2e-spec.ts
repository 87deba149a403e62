import { randomBytes } from 'node:crypto';
import request, { type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { Mailer } from '../../src/platform/mail/mailer.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { Mailbox } from '../support/mailbox.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { jest } from '@jest/globals';

/** A server that asks for verified addresses, and one beside it that does not yet. */
let t: TestApp;
let lenient: TestApp['server'];
let box: Mailbox;

beforeAll(async () => {
  box = await Mailbox.open();
  t = await createTestApp({ smtpUrl: box.url, requireVerifiedEmail: true });
  lenient = (
    await t.another({ requireVerifiedEmail: false, nodeEnv: 'production', smtpUrl: undefined })
  ).getHttpServer();
});
beforeEach(async () => {
  await t.app.get(Mailer).settled();
  box.mails.length = 0;
});
afterAll(async () => {
  await t.close();
  await box.close();
});

const post = (path: string, body?: object): Test => request(t.server).post(path).send(body);
const register = (email: string, password = PASSWORD): Test => post('/auth/register', { email, password });
const login = (email: string, password = PASSWORD): Test => post('/auth/login', { email, password });
const someEmail = (): string => `${randomBytes(6).toString('hex')}@example.com`;
/** A user with tokens from before the setting, at the server that has it. */
const fromBefore = async (): Promise<TestUser> => (await TestUser.register({ server: lenient })).at(t.server);

/** What stays open: the account itself, signing out, and the mail. */
const OPEN = [
  'DELETE /auth/sessions/:sign_in_id',
  'DELETE /users/me',
  'PATCH /users/me',
  'POST /auth/email/verification',
  'POST /auth/logout',
  'POST /users/me/password',
];

describe('registering', () => {
  it('answers byte for byte the same with and without an account, and emails the owner', async () => {
    const { email } = await TestUser.register({ server: lenient });
    const unknown = someEmail();
    const answers = [await register(email, 'another pass phrase'), await register(unknown)];
    for (const { status, text, headers } of answers)
      expect({ status, text, location: headers.location as unknown }).toEqual({
        status: 202,
        text: '{"pending":"email_verification"}',
        location: undefined,
      });
    const [known, fresh] = answers.map((answer) => withoutLimit(bareAnswer(answer)));
    expect(known).toEqual(fresh);
    expect((await box.next(email)).subject).toBe('You already have an account');
    expect((await box.next(unknown)).subject).toBe('Confirm your e-mail address');
    expectProblem(await login(email, 'another pass phrase'), 'invalid_credentials');
  });

  it('hashes the password in both cases', async () => {
    const hash = jest.spyOn(t.app.get(PasswordHasher), 'hash');
    const { email } = await TestUser.register({ server: lenient });
    for (const address of [email, someEmail()]) {
      hash.mockClear();
      await register(address).expect(202);
      expect(hash).toHaveBeenCalledTimes(1);
    }
    hash.mockRestore();
  });

  it('does not reveal an account through a later sign-in either: both need the email first', async () => {
    const email = someEmail();
    await register(email).expect(202);
    const first = await box.token(email);
    const right = await login(email);
    expectProblem(right, 'invalid_credentials');
    expect(bareAnswer(right)).toEqual(bareAnswer(await login(email, 'wrong')));
    // The owner, who had the right password, gets another mail.
    await box.token(email);
    await post('/auth/email/verify', { token: first }).expect(204);
    expect((await login(email).expect(200)).body).toMatchObject({ user: { email, email_verified: true } });
  });

  it('with somebody else’s address is undone when the owner resets the password', async () => {
    const email = someEmail();
    await register(email, 'the thief chose this').expect(202);
    await box.next(email);
    await post('/auth/password/forgot', { email }).expect(202);
    await post('/auth/password/reset', { token: await box.token(email), new_password: PASSWORD }).expect(204);
    expectProblem(await login(email, 'the thief chose this'), 'invalid_credentials');
    await login(email).expect(200);
  });
});

describe('a user whose address is not verified', () => {
  it('can read, and can change only the account', async () => {
    const ada = await fromBefore();
    const closed: string[] = [];
    const open: string[] = [];
    const routes = t.app.get(RouteTable).routes();
    for (const { method, path } of routes.filter(({ method }) => method !== 'GET')) {
      const url = path.replace(/:[a-z_]+/g, newId());
      const verb = method.toLowerCase() as 'post' | 'put' | 'patch' | 'delete';
      if (path === '/auth/logout') continue;
      const answer = await request(t.server)[verb](url).set('authorization', `Bearer ${ada.accessToken}`);
      (answer.status === 403 ? closed : open).push(`${method} ${path}`);
      if (answer.status === 403) expectProblem(answer, 'email_not_verified');
    }
    expect(closed).toEqual(
      expect.arrayContaining(['POST /chat', 'POST /projects', 'POST /prompts', 'POST /chat/sessions']),
    );
    const isPublic = /^POST \/auth\/(login(\/second-factor)?|register|refresh|password\/\w+|email\/verify)$/;
    expect(open.filter((route) => !isPublic.test(route) && !OPEN.includes(route))).toEqual([]);
    await ada.get('/projects').expect(200);
    await ada.get('/users/me').expect(200);
    await ada.post('/auth/logout').expect(204);
  });

  it('is recognised by the token, and can write after verification and a token refresh', async () => {
    const ada = await fromBefore();
    const run = jest.spyOn(t.app.get(UnitOfWork), 'run');
    expectProblem(await ada.post('/projects', { name: 'Guide' }), 'email_not_verified');
    expect(run).not.toHaveBeenCalled();
    run.mockRestore();
    await ada.post('/auth/email/verification').expect(202);
    await post('/auth/email/verify', { token: await box.token(ada.email) }).expect(204);
    const { body } = await post('/auth/refresh', { refresh_token: ada.refreshToken }).expect(200);
    const { access_token } = body as { access_token: string };
    await post('/projects', { name: 'Guide' }).set('authorization', `Bearer ${access_token}`).expect(201);
  });

  it('can write where verification is not required', async () => {
    const ada = (await fromBefore()).at(lenient);
    await ada.post('/projects', { name: 'Guide' }).expect(201);
  });
});

function withoutLimit(answer: unknown): unknown {
  const { headers, ...rest } = answer as { headers: Record<string, string> };
  return { ...rest, headers: { ...headers, ratelimit: '…' } };
}
