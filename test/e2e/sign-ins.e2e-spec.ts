import { createHash } from 'node:crypto';
import { jest } from '@jest/globals';
import request, { type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { SignInsRepository } from '../../src/modules/auth/sign-ins.repository.js';
import { PasswordHasher } from '../../src/platform/crypto/password-hasher.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Device {
  id: string;
  user_agent: string | null;
  current: boolean;
  created_at: string;
  last_used_at: string;
  expires_at: string;
}

interface Tokens {
  access_token: string;
  refresh_token: string;
}

const NEW_PASSWORD = 'a new and better one';

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t.close());
beforeEach(async () => {
  ada = await TestUser.register(t);
});

const login = (password = PASSWORD): Test =>
  request(t.server).post('/auth/login').set('user-agent', 'Tablet/1.0').send({ email: ada.email, password });
const signedIn = async (): Promise<Tokens> => (await login().expect(200)).body as Tokens;
const refresh = (refresh_token: string): Test => request(t.server).post('/auth/refresh').send({ refresh_token });
const change = (user = ada): Test =>
  user.post('/users/me/password', { current_password: PASSWORD, new_password: NEW_PASSWORD });
const devices = async (user = ada): Promise<Device[]> =>
  ((await user.get('/auth/sessions').expect(200)).body as { data: Device[] }).data;

describe('signed-in devices', () => {
  it('are listed newest first, with the current one marked', async () => {
    await signedIn();
    const [tablet, first] = await devices();
    expect(await devices()).toHaveLength(2);
    expect(tablet).toEqual({
      id: expect.any(String) as string,
      user_agent: 'Tablet/1.0',
      current: false,
      created_at: expect.any(String) as string,
      last_used_at: expect.any(String) as string,
      expires_at: expect.any(String) as string,
    });
    expect(first?.current).toBe(true);
    const pages = await listPages<Device>(ada, '/auth/sessions', 1);
    expect(pages.map((page) => page.map(({ id }) => id))).toEqual([[tablet?.id], [first?.id]]);
  });

  it('can be signed out one by one, with their tokens', async () => {
    const tablet = await signedIn();
    const [{ id } = { id: '' }] = await devices();
    await ada.by(tablet.access_token).get('/users/me').expect(200);
    await ada.delete(`/auth/sessions/${id}`).expect(204);
    expectProblem(await ada.by(tablet.access_token).get('/users/me'), 'unauthenticated');
    expectProblem(await refresh(tablet.refresh_token), 'invalid_refresh_token');
    expect(await devices()).toHaveLength(1);
    expectProblem(await ada.delete(`/auth/sessions/${id}`), 'not_found');
    await ada.get('/users/me').expect(200);
  });

  it('of another user answer 404 and stay signed in', async () => {
    const eve = await TestUser.register(t);
    const [{ id } = { id: '' }] = await devices();
    expectProblem(await eve.delete(`/auth/sessions/${id}`), 'not_found');
    expectProblem(await eve.delete(`/auth/sessions/${newId()}`), 'not_found');
    await refresh(ada.refreshToken).expect(200);
  });

  it('stay signed in when the revocation cannot be written', async () => {
    const tablet = await signedIn();
    const [{ id } = { id: '' }] = await devices();
    await t.database.query('alter table revocations add constraint ck_test check (false) not valid');
    try {
      expectProblem(await ada.delete(`/auth/sessions/${id}`), 'internal_error');
    } finally {
      await t.database.query('alter table revocations drop constraint ck_test');
    }
    await refresh(tablet.refresh_token).expect(200);
  });

  it('that have ended or expired are not listed', async () => {
    await signedIn();
    await t.database.query(`update sign_ins set expires_at = now() where user_id = $1 and user_agent = 'Tablet/1.0'`, [
      ada.id,
    ]);
    expect(await devices()).toHaveLength(1);
  });

  it('are deleted a month after their end, never before', async () => {
    const signIns = t.app.get(SignInsRepository);
    await signIns.sweep(30);
    await signedIn();
    await signedIn();
    const [newest, middle, first] = await devices();
    const end = (id: string | undefined, column: string, days: number): Promise<unknown> =>
      t.database.query(`update sign_ins set ${column} = now() - $2 * interval '1 day' where id = $1`, [id, days]);
    await end(newest?.id, 'expires_at', 31);
    await end(middle?.id, 'revoked_at', 29);
    expect(await signIns.sweep(30)).toBe(1);
    await end(middle?.id, 'revoked_at', 31);
    expect(await signIns.sweep(30)).toBe(1);
    expect(await devices()).toEqual([first]);
  });
});

describe('a password change', () => {
  it('ends the access tokens of the other sign-ins too', async () => {
    const tablet = await signedIn();
    await change().expect(204);
    expectProblem(await ada.by(tablet.access_token).get('/users/me'), 'unauthenticated');
    await ada.get('/users/me').expect(200);
  });

  it('refuses a concurrent sign-in that verified the old password', async () => {
    const passwords = t.app.get(PasswordHasher);
    const verify = passwords.verify.bind(passwords);
    const hook = jest.spyOn(passwords, 'verify').mockImplementationOnce(async (password, hash) => {
      const isRight = await verify(password, hash);
      // Between the check of the old password and the sign-in by it.
      await change().expect(204);
      return isRight;
    });
    try {
      expectProblem(await login(), 'invalid_credentials');
    } finally {
      hook.mockRestore();
    }
    expect(await devices()).toHaveLength(1);
    await login(NEW_PASSWORD).expect(200);
  });

  it('happens once with an Idempotency-Key, and hashes outside of a transaction', async () => {
    const passwords = t.app.get(PasswordHasher);
    const hash = passwords.hash.bind(passwords);
    const open: object[] = [];
    const hook = jest.spyOn(passwords, 'hash').mockImplementation(async (password) => {
      open.push(
        ...(await t.database.query(
          `select query from pg_stat_activity
           where datname = current_database() and application_name = 'parley' and xact_start is not null`,
        )),
      );
      return hash(password);
    });
    try {
      await change().set('idempotency-key', 'once').expect(204);
      const again = await change().set('idempotency-key', 'once').expect(204);
      expect(again.headers['idempotent-replayed']).toBe('true');
      expect(hook).toHaveBeenCalledTimes(1);
      expect(open).toEqual([]);
    } finally {
      hook.mockRestore();
    }
    const other = ada.post('/users/me/password', { current_password: PASSWORD, new_password: 'something else 1' });
    expectProblem(await other.set('idempotency-key', 'once'), 'idempotency_key_reused');
    await login(NEW_PASSWORD).expect(200);
    // The stored request must not let anyone with only the database test passwords.
    const [kept] = await t.database.query<{ hash: string }>(
      `select encode(request_hash, 'hex') as hash from idempotency_keys where user_id = $1`,
      [ada.id],
    );
    const request = JSON.stringify({ current_password: PASSWORD, new_password: NEW_PASSWORD });
    expect(kept?.hash).toHaveLength(64);
    expect(kept?.hash).not.toBe(createHash('sha256').update(`/users/me/password\0${request}`).digest('hex'));
  });

  it('by two concurrent requests is one change', async () => {
    const second = ada.by((await signedIn()).access_token);
    const answers = await Promise.all([change(), change(second)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, expect.any(Number)]);
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(await devices(answers[0]?.status === 204 ? ada : second)).toHaveLength(1);
  });
});

describe('a refresh token', () => {
  it('that is reused as an ancestor ends the access tokens of its family only', async () => {
    const tablet = await signedIn();
    const child = (await refresh(ada.refreshToken).expect(200)).body as Tokens;
    const live = (await refresh(child.refresh_token).expect(200)).body as Tokens;
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    for (const token of [ada.accessToken, child.access_token, live.access_token]) {
      expectProblem(await ada.by(token).get('/users/me'), 'unauthenticated');
    }
    await ada.by(tablet.access_token).get('/users/me').expect(200);
  });
});
