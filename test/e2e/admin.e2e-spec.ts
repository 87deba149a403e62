import request from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { AuditRepository } from '../../src/platform/audit/audit.repository.js';
import { verifyAudit } from '../../src/platform/audit/audit-verifier.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { createEmbeddedDatabase } from '../support/embedded-database.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { setPrice } from '../support/ledger.js';
import { listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Account {
  id: string;
  email: string;
  role: string;
  status: string;
  disabled_at: string | null;
}

let t: TestApp;
let admin: TestUser;
let ada: TestUser;

beforeAll(async () => {
  // What admins do takes locks, which have to get along with those of the database that `npm start` makes.
  t = await createTestApp({}, await createEmbeddedDatabase());
});
beforeEach(async () => {
  admin = await newAdmin();
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

async function newAdmin(): Promise<TestUser> {
  const user = await TestUser.register(t);
  await setRole(user, 'admin');
  return user;
}

const setRole = (user: TestUser, role: string) =>
  t.database.query('update users set role = $2 where id = $1', [user.id, role]);
const login = (email: string, password: string) => request(t.server).post('/auth/login').send({ email, password });
const refresh = (refresh_token: string) => request(t.server).post('/auth/refresh').send({ refresh_token });
const disable = (user: TestUser, by = admin) => by.post(`/admin/users/${user.id}/disable`);
const enable = (user: TestUser) => admin.post(`/admin/users/${user.id}/enable`);
const events = (user: TestUser) =>
  t.database.query<{ action: string; actor_kind: string; actor_id: string; subject_id: string; facts: unknown }>(
    'select action, actor_kind, actor_id, subject_id, facts from audit_events where user_id = $1 order by seq desc',
    [user.id],
  );

describe('the admin routes', () => {
  const ROUTES = (): [string, string][] => [
    ['get', '/admin/users'],
    ['get', '/admin/users?limit=nonsense'],
    ['get', '/admin/usage'],
    ['get', `/admin/users/${ada.id}`],
    ['get', `/admin/users/${newId()}`],
    ['get', `/admin/users/${ada.id}/budget`],
    ['put', `/admin/users/${ada.id}/budget`],
    ['post', `/admin/users/${ada.id}/disable`],
    ['post', `/admin/users/${ada.id}/enable`],
    ['get', '/admin/plans'],
    ['put', '/admin/plans'],
    ['get', `/admin/users/${ada.id}/limits`],
    ['put', `/admin/users/${ada.id}/limits`],
  ];
  const ask = (user: TestUser, [method, path]: [string, string]) => user[method as 'get' | 'post' | 'put'](path);

  it('answer 403 to everybody else, whatever the request', async () => {
    const eve = await TestUser.register(t);
    for (const route of ROUTES()) expectProblem(await ask(eve, route), 'admin_required');
    expect(await events(eve)).toHaveLength(2);
    expect(await events(ada)).toHaveLength(2);
  });

  it('are closed as soon as the role is taken away, even while the token is valid', async () => {
    await admin.get('/admin/users').expect(200);
    await setRole(admin, 'user');
    for (const route of ROUTES()) expectProblem(await ask(admin, route), 'admin_required');
  });

  it("have no scope, so an admin's API keys cannot use them", async () => {
    const { paths } = (await request(t.server).get('/openapi.json').expect(200)).body as {
      paths: Record<string, object>;
    };
    const operations = Object.entries(paths).flatMap(([path, methods]) =>
      path.startsWith('/admin') ? Object.values(methods) : [],
    );
    expect(operations).toHaveLength(11);
    for (const operation of operations) expect(operation).not.toHaveProperty('x-scopes');
  });
});

describe('a plan', () => {
  it('can be written and listed', async () => {
    await admin.put('/admin/plans', { name: 'team', requests_per_minute: 50 }).expect(200);
    const { body } = await admin.get('/admin/plans').expect(200);
    expect((body as { data: unknown[] }).data).toContainEqual(
      expect.objectContaining({ name: 'team', requests_per_minute: 50 }),
    );
  });
});

describe('the list of accounts', () => {
  const list = async (query: string): Promise<Account[]> =>
    (await listPages<Account>(admin, `/admin/users?${query}`, 100)).flat();

  it('finds accounts by the beginning of the address in any case, and treats wildcards as plain text', async () => {
    const tag = newId().slice(-8);
    const ids: string[] = [];
    for (const name of ['a_x', 'a%x', 'abx']) ids.push((await TestUser.register(t, `${tag}${name}@example.com`)).id);
    expect((await list(`email=${tag.toUpperCase()}A`)).map(({ id }) => id)).toEqual([...ids].reverse());
    expect((await list(`email=${tag}a_`)).map(({ id }) => id)).toEqual([ids[0]]);
    expect((await list(`email=${tag}a%25`)).map(({ id }) => id)).toEqual([ids[1]]);
    const pages = await listPages<Account>(admin, `/admin/users?email=${tag}`, 2);
    expect(pages.map((page) => page.map(({ id }) => id))).toEqual([[ids[2], ids[1]], [ids[0]]]);
  });

  it('finds accounts by status, and shows only what admins need', async () => {
    await disable(ada).expect(200);
    expect((await list('status=disabled')).map(({ id }) => id)).toContain(ada.id);
    expect((await list('status=active')).map(({ id }) => id)).not.toContain(ada.id);
    const [shown] = await list(`email=${ada.email}`);
    expect(shown).toEqual({
      id: ada.id,
      email: ada.email,
      role: 'user',
      status: 'disabled',
      disabled_at: expect.stringMatching(/Z$/) as string,
      created_at: expect.stringMatching(/Z$/) as string,
    });
  });

  it('is recorded without the address that was searched for', async () => {
    await list(`email=${ada.email}&status=active`);
    const [event] = await events(admin);
    expect(event).toMatchObject({ action: 'admin.users_listed', facts: { by: ['emailPrefix', 'isDisabled'] } });
    expect(JSON.stringify(event)).not.toContain(ada.email);
  });

  it.each(['status=gone', 'email=%00', 'limit=0', 'role=admin'])('refuses %s', async (query) => {
    expectProblem(await admin.get(`/admin/users?${query}`), 'validation_failed');
  });
});

describe('one account', () => {
  it('is shown, and both audit logs record the access', async () => {
    expect((await admin.get(`/admin/users/${ada.id}`).expect(200)).body).toMatchObject({
      id: ada.id,
      status: 'active',
    });
    const told = { action: 'admin.user_read', subject_id: ada.id };
    expect((await events(admin))[0]).toMatchObject({ ...told, actor_kind: 'user' });
    expect((await events(ada))[0]).toMatchObject({ ...told, actor_kind: 'admin', actor_id: admin.id });
    const { body } = await ada.get('/users/me/audit-events?limit=1').expect(200);
    expect(body).toMatchObject({ data: [{ action: 'admin.user_read', actor: { type: 'admin', id: null } }] });
    expect(JSON.stringify(body)).not.toContain(admin.id);
  });

  it('answers 404 for an unknown account and a malformed id', async () => {
    for (const id of [newId(), 'zz']) expectProblem(await admin.get(`/admin/users/${id}`), 'not_found');
  });

  it("can be read by two admins who read each other's account twenty times at once", async () => {
    const other = await newAdmin();
    const looks = Array.from({ length: 20 }, (_, i) =>
      i % 2 === 0 ? admin.get(`/admin/users/${other.id}`) : other.get(`/admin/users/${admin.id}`),
    );
    for (const { status } of await Promise.all(looks)) expect(status).toBe(200);
    expect((await verifyAudit(t.app.get(AuditRepository))).broken).toEqual([]);
  });
});

describe('disabling an account', () => {
  it('ends its access tokens and sign-ins at once on this instance, and within five seconds on another', async () => {
    const another = await t.another();
    const there = ada.at(another.getHttpServer());
    await there.get('/users/me').expect(200);
    expect((await disable(ada).expect(200)).body).toMatchObject({ id: ada.id, status: 'disabled' });
    expectProblem(await ada.get('/users/me'), 'unauthenticated');
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    await expectSoon(async () => expectProblem(await there.get('/users/me'), 'unauthenticated'));
  });

  it('answers the correct password exactly like a wrong one', async () => {
    await disable(ada).expect(200);
    const right = await login(ada.email, PASSWORD);
    expectProblem(right, 'invalid_credentials');
    expect(bareAnswer(right)).toEqual(bareAnswer(await login(ada.email, 'a wrong password')));
    await expectSoon(async () =>
      expect((await events(ada)).map(({ facts }) => facts)).toEqual(
        expect.arrayContaining([{ reason: 'disabled' }, { reason: 'wrong_password' }]),
      ),
    );
  });

  it('refuses a refresh even when the sign-in was left open', async () => {
    await disable(ada).expect(200);
    await t.database.query('update sign_ins set revoked_at = null where user_id = $1', [ada.id]);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
  });

  it('is recorded in both audit logs, and keeps the time of the first call', async () => {
    const first = (await disable(ada).expect(200)).body as Account;
    const told = { action: 'admin.user_disabled', subject_id: ada.id };
    expect((await events(admin))[0]).toMatchObject({ ...told, actor_kind: 'user' });
    expect((await events(ada))[0]).toMatchObject({ ...told, actor_kind: 'admin', actor_id: admin.id });
    expect((await disable(ada).expect(200)).body).toEqual(first);
  });

  it('does nothing when it cannot be recorded', async () => {
    await t.database.query(
      `alter table audit_events add constraint ck_test check (action <> 'admin.user_disabled' or actor_kind <> 'admin') not valid`,
    );
    try {
      expectProblem(await disable(ada), 'internal_error');
    } finally {
      await t.database.query('alter table audit_events drop constraint ck_test');
    }
    await ada.get('/users/me').expect(200);
    await refresh(ada.refreshToken).expect(200);
    expect((await events(admin)).map(({ action }) => action)).not.toContain('admin.user_disabled');
  });

  it("is refused for one's own account, so one admin always remains", async () => {
    expectProblem(await disable(admin), 'own_account');
    await admin.get('/admin/users').expect(200);
  });

  it('leaves one of two admins who disable each other at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const [one, two] = [await newAdmin(), await newAdmin()];
      const answers = await Promise.all([disable(two, one), disable(one, two)]);
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      for (const answer of answers) if (answer.status !== 200) expect([401, 403]).toContain(answer.status);
    }
  });

  it('answers 404 for an unknown account and a malformed id', async () => {
    for (const id of [newId(), 'zz']) expectProblem(await admin.post(`/admin/users/${id}/disable`), 'not_found');
  });

  it('happens once with an Idempotency-Key', async () => {
    const before = (await events(ada)).length;
    for (let i = 0; i < 2; i++) await disable(ada).set('idempotency-key', 'once').expect(200);
    expect(await events(ada)).toHaveLength(before + 1);
  });
});

describe('enabling an account', () => {
  it('lets the user sign in again, while the revoked sign-ins stay revoked', async () => {
    await disable(ada).expect(200);
    expect((await enable(ada).expect(200)).body).toMatchObject({ status: 'active', disabled_at: null });
    const { body } = await login(ada.email, PASSWORD).expect(200);
    const { access_token } = body as { access_token: string };
    await request(t.server).get('/users/me').set('authorization', `Bearer ${access_token}`).expect(200);
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    expect((await events(ada)).map(({ action }) => action).slice(0, 3)).toEqual([
      'sign_in.created',
      'admin.user_enabled',
      'admin.user_disabled',
    ]);
  });
});

describe('usage', () => {
  const usageOf = async (user: TestUser, query = ''): Promise<unknown> =>
    (await listPages<{ user_id: string }>(admin, `/admin/usage?${query}`, 100))
      .flat()
      .find(({ user_id }) => user_id === user.id);

  it("adds up a user's turns, tokens and known cost in a period, without content", async () => {
    const { id } = await ada.project();
    await setPrice(t, { model: 'priced' });
    const { assistant_message } = await ada.turn({ project_id: id, message: 'A secret', model: 'priced' });
    await ada.turn({ project_id: id });
    const [sums] = await t.database.query<{ input: number; output: number }>(
      `select sum(input_tokens)::int as input, sum(output_tokens)::int as output from messages where user_id = $1`,
      [ada.id],
    );
    const { cost_micro_usd } = assistant_message;
    expect(cost_micro_usd).toBeGreaterThan(0);
    const used = { user_id: ada.id, email: ada.email, turns: 2, cost_micro_usd, turns_without_cost: 1 };
    expect(await usageOf(ada)).toEqual({ ...used, input_tokens: sums?.input, output_tokens: sums?.output });
    const none = { turns: 0, input_tokens: null, output_tokens: null, cost_micro_usd: null, turns_without_cost: 0 };
    expect(await usageOf(ada, 'to=2026-01-01T00:00:00Z&from=2025-01-01T00:00:00Z')).toMatchObject(none);
    expect(await usageOf(ada, 'from=2099-01-01T00:00:00Z&to=2100-01-01T00:00:00Z')).toMatchObject(none);
    expect((await events(admin))[0]).toMatchObject({
      action: 'admin.usage_read',
      facts: { from: '2099-01-01T00:00:00.000Z', to: '2100-01-01T00:00:00.000Z' },
    });
  });

  it('is paged, each user once', async () => {
    const pages = await listPages<{ user_id: string }>(admin, '/admin/usage', 3);
    const ids = pages.flat().map(({ user_id }) => user_id);
    const stored = await t.database.query<{ id: string }>('select id from users order by id desc');
    expect(ids).toEqual(stored.map(({ id }) => id));
  });

  it.each(['from=yesterday', 'to=1', 'from=1900-01-01T00:00:00Z'])('refuses %s', async (query) => {
    expectProblem(await admin.get(`/admin/usage?${query}`), 'validation_failed', [`?${query.split('=')[0]}`]);
  });
});
