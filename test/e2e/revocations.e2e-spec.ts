import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import request, { type Test } from 'supertest';
import { signedIn } from '../../src/kernel/actor.js';
import { newId } from '../../src/kernel/ids.js';
import type { AppConfig } from '../../src/app-config.js';
import { Notifications } from '../../src/platform/database/notifications.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { Revocations } from '../../src/platform/revocations/revocations.js';
import { RevocationsRepository } from '../../src/platform/revocations/revocations.repository.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const NEVER_MS = 600_000;

type Tokens = { access_token: string; refresh_token: string };

/** One that only hears, one that only looks: either way must do alone. */
const OTHERS: [string, Partial<AppConfig>, (app: NestFastifyApplication) => Promise<void>][] = [
  ['that is told', { revocationPollMs: NEVER_MS }, () => Promise.resolve()],
  ['whose notices are lost', { revocationPollMs: 200 }, (app) => app.get(Notifications).onApplicationShutdown()],
];

describe.each(OTHERS)('another instance %s', (_what, overrides, prepare) => {
  let t: TestApp;
  let other: NestFastifyApplication;
  let ada: TestUser;

  beforeAll(async () => {
    t = await createTestApp({ revocationPollMs: NEVER_MS });
    other = await t.another(overrides);
    await prepare(other);
  });
  afterAll(() => t.close());
  beforeEach(async () => {
    ada = await TestUser.register(t);
    await at(other, ada.accessToken).expect(200);
  });

  const at = (app: NestFastifyApplication, token: string): Test =>
    request(app.getHttpServer()).get('/projects').set('authorization', `Bearer ${token}`);
  const refresh = (refresh_token: string): Test => request(t.server).post('/auth/refresh').send({ refresh_token });
  const login = async (password = PASSWORD): Promise<Tokens> =>
    (await request(t.server).post('/auth/login').send({ email: ada.email, password }).expect(200)).body as Tokens;
  /** Here at once, there within two seconds. */
  const isRefused = async (token: string): Promise<void> => {
    expectProblem(await at(t.app, token), 'unauthenticated');
    await expectSoon(async () => expectProblem(await at(other, token), 'unauthenticated'));
  };
  const isTaken = async (token: string): Promise<void> => {
    for (const app of [t.app, other]) await at(app, token).expect(200);
  };

  it('refuses the tokens of a revoked sign-in, and no others', async () => {
    const tablet = await login();
    await ada.post('/auth/logout').expect(204);
    await isRefused(ada.accessToken);
    await isTaken(tablet.access_token);
  });

  it('refuses the tokens of all other sign-ins after a password change, but accepts a new sign-in', async () => {
    const tablet = await login();
    await ada.post('/users/me/password', { current_password: PASSWORD, new_password: 'a new password' }).expect(204);
    await isRefused(tablet.access_token);
    await isTaken(ada.accessToken);
    await isTaken((await login('a new password')).access_token);
  });

  it('refuses the tokens of a family whose refresh token was reused', async () => {
    const child = (await refresh(ada.refreshToken).expect(200)).body as Tokens;
    await refresh(child.refresh_token).expect(200);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    await isRefused(ada.accessToken);
    await isRefused(child.access_token);
  });

  it('refuses the token of a deleted account', async () => {
    await ada.erase().expect(204);
    await isRefused(ada.accessToken);
  });

  it('refuses all credentials of a disabled user until the user is enabled', async () => {
    const tablet = await login();
    const unitOfWork = t.app.get(UnitOfWork);
    const revocations = t.app.get(Revocations);
    await unitOfWork.run({ userId: ada.id }, () => revocations.revoke({ userId: ada.id }, [ada.id]));
    await isRefused(ada.accessToken);
    await isRefused(tablet.access_token);
    await unitOfWork.run({ userId: ada.id }, () => revocations.restore({ userId: ada.id }, [ada.id]));
    await expectSoon(() => isTaken(ada.accessToken));
    await isTaken((await login()).access_token);
  });

  it('learns of a revocation that was committed long after it was written', async () => {
    const revocations = t.app.get(Revocations);
    let commit = (): void => undefined;
    const isOver = new Promise<void>((resolve) => (commit = resolve));
    let isWritten = (): void => undefined;
    const written = new Promise<void>((resolve) => (isWritten = resolve));
    const work = t.app.get(UnitOfWork).run({ userId: ada.id }, async () => {
      await revocations.revoke({ userId: ada.id }, [ada.id]);
      isWritten();
      await isOver;
    });
    await written;
    // The other one looks meanwhile, and later transactions come and go.
    const eve = await TestUser.register(t);
    await eve.post('/auth/logout').expect(204);
    await isRefused(eve.accessToken);
    await isTaken(ada.accessToken);
    commit();
    await work;
    await isRefused(ada.accessToken);
  });
});

describe('revocations', () => {
  let t: TestApp;
  let ada: TestUser;

  beforeAll(async () => {
    t = await createTestApp({ revocationPollMs: NEVER_MS });
  });
  afterAll(() => t.close());
  beforeEach(async () => {
    ada = await TestUser.register(t);
  });

  const marksOf = (userId: string): Promise<{ subject_id: string }[]> =>
    t.database.query('select subject_id from revocations where user_id = $1', [userId]);

  it('are loaded before the first request of an instance', async () => {
    await ada.post('/auth/logout').expect(204);
    const late = await t.another();
    expectProblem(await ada.at(late.getHttpServer()).get('/projects'), 'unauthenticated');
  });

  it('that are rolled back have no effect', async () => {
    const revocations = t.app.get(Revocations);
    const failing = t.app.get(UnitOfWork).run({ userId: ada.id }, async () => {
      await revocations.revoke({ userId: ada.id }, [ada.id]);
      throw new Error('after all not');
    });
    await expect(failing).rejects.toThrow('after all not');
    expect(await marksOf(ada.id)).toEqual([]);
    await ada.get('/projects').expect(200);
  });

  it('can only be made for the user of the unit of work', async () => {
    const eve = await TestUser.register(t);
    const revocations = t.app.get(Revocations);
    const attempt = t.app
      .get(UnitOfWork)
      .run({ userId: eve.id }, () => revocations.revoke({ userId: ada.id }, [ada.id]));
    await expect(attempt).rejects.toMatchObject({ code: '42501' });
    await ada.get('/projects').expect(200);
  });

  it('can name users, sign-ins and API keys', async () => {
    const revocations = t.app.get(Revocations);
    const [userId, signInId, apiKeyId] = [ada.id, newId(), newId()];
    const key = { ...signedIn(userId, signInId), signInId: null, apiKeyId };
    await t.app.get(UnitOfWork).run({ userId }, () => revocations.revoke({ userId }, [signInId, apiKeyId]));
    expect(revocations.isRevoked(signedIn(userId, signInId))).toBe(true);
    expect(revocations.isRevoked(key)).toBe(true);
    expect(revocations.isRevoked({ ...key, apiKeyId: newId() })).toBe(false);
    expect(revocations.isRevoked(signedIn(userId, newId()))).toBe(false);
  });

  it('are kept for the lifetime of an access token, and then deleted', async () => {
    await ada.post('/auth/logout').expect(204);
    const [row] = await t.database.query<{ seconds: number }>(
      'select extract(epoch from expires_at - now())::float8 as seconds from revocations where user_id = $1',
      [ada.id],
    );
    expect(row?.seconds).toBeGreaterThan(t.config.jwtAccessTtlSeconds);
    const rows = t.app.get(RevocationsRepository);
    expect(await rows.sweep()).toBe(0);
    await t.database.query(`update revocations set expires_at = now() - interval '1 second' where user_id = $1`, [
      ada.id,
    ]);
    expect(await rows.sweep()).toBe(1);
    expect(await marksOf(ada.id)).toEqual([]);
  });
});
