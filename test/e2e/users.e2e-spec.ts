import request, { type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp();
});
beforeEach(async () => {
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

const login = (email: string, password: string): Test =>
  request(t.server).post('/auth/login').send({ email, password });
const refresh = (refresh_token: string): Test => request(t.server).post('/auth/refresh').send({ refresh_token });

describe("the user's own profile", () => {
  it('shows only public fields', async () => {
    expect((await ada.get('/users/me').expect(200)).body).toEqual({
      id: ada.id,
      email: ada.email,
      email_verified: false,
      display_name: null,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown,
    });
  });

  it('sets a new name, keeps it when absent, and clears it by null', async () => {
    const nameAfter = async (body: Record<string, unknown>): Promise<unknown> =>
      ((await ada.patch('/users/me', body).expect(200)).body as { display_name: unknown }).display_name;
    expect(await nameAfter({ display_name: 'Ada Lovelace' })).toBe('Ada Lovelace');
    expect(await nameAfter({})).toBe('Ada Lovelace');
    expect((await ada.get('/users/me')).body).toMatchObject({ display_name: 'Ada Lovelace' });
    expect(await nameAfter({ display_name: null })).toBeNull();
    expect((await ada.get('/users/me')).body).toMatchObject({ display_name: null });
  });

  it('changes no other profile', async () => {
    const eve = await TestUser.register(t);
    await ada.patch('/users/me', { display_name: 'Ada' }).expect(200);
    expect((await eve.get('/users/me')).body).toMatchObject({ id: eve.id, display_name: null });
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['an empty name', { display_name: '' }, '/display_name'],
    ['a name of 201 characters', { display_name: 'x'.repeat(201) }, '/display_name'],
    ['a name that is a number', { display_name: 7 }, '/display_name'],
    ['a name with a NUL', { display_name: 'a\0b' }, '/display_name'],
    ['another e-mail', { email: 'new@example.com' }, '/email'],
    ['another id', { id: newId() }, '/id'],
    ['a password hash', { password_hash: 'x' }, '/password_hash'],
    ['the column instead of the field', { displayName: 'x' }, '/displayName'],
  ])('refuses %s with a pointer and changes nothing', async (_what, body, pointer) => {
    const before = await t.database.query('select * from users order by id');
    expectProblem(await ada.patch('/users/me', body), 'validation_failed', [pointer]);
    expect(await t.database.query('select * from users order by id')).toEqual(before);
  });

  it('accepts a name of exactly 200 characters, even of surrogate pairs', async () => {
    for (const display_name of ['x'.repeat(200), '😀'.repeat(200)]) {
      expect((await ada.patch('/users/me', { display_name }).expect(200)).body).toMatchObject({ display_name });
    }
  });
});

describe('changing the password', () => {
  const change = (user: TestUser, current_password: string, new_password: string): Test =>
    user.post('/users/me/password', { current_password, new_password });

  it('makes the new password work and the old one fail', async () => {
    await change(ada, PASSWORD, 'a new password').expect(204);
    await login(ada.email, 'a new password').expect(200);
    expectProblem(await login(ada.email, PASSWORD), 'invalid_credentials');
  });

  it('ends all other sign-ins and keeps the current one', async () => {
    const others = await Promise.all([login(ada.email, PASSWORD), login(ada.email, PASSWORD)]);
    await change(ada, PASSWORD, 'a new password').expect(204);
    for (const { body } of others) {
      expectProblem(await refresh((body as { refresh_token: string }).refresh_token), 'invalid_refresh_token');
    }
    await refresh(ada.refreshToken).expect(200);
    await ada.get('/users/me').expect(200);
  });

  it('ends no sign-in of another user', async () => {
    const eve = await TestUser.register(t);
    await change(ada, PASSWORD, 'a new password').expect(204);
    await refresh(eve.refreshToken).expect(200);
    await login(eve.email, PASSWORD).expect(200);
  });

  it('refuses a wrong current password with a pointer, and changes and ends nothing', async () => {
    const { body } = await login(ada.email, PASSWORD);
    expectProblem(await change(ada, 'wrong password', 'a new password'), 'validation_failed', ['/current_password']);
    await login(ada.email, PASSWORD).expect(200);
    expectProblem(await login(ada.email, 'a new password'), 'invalid_credentials');
    await refresh((body as { refresh_token: string }).refresh_token).expect(200);
  });

  it('changes nothing when the other sign-ins cannot be ended', async () => {
    await login(ada.email, PASSWORD).expect(200);
    await t.database.query('alter table sign_ins add constraint ck_test check (revoked_at is null) not valid');
    try {
      expectProblem(await change(ada, PASSWORD, 'a new password'), 'internal_error');
    } finally {
      await t.database.query('alter table sign_ins drop constraint ck_test');
    }
    await login(ada.email, PASSWORD).expect(200);
    expectProblem(await login(ada.email, 'a new password'), 'invalid_credentials');
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a new one of 7 characters', { new_password: 'short12' }, '/new_password'],
    ['a common new one', { new_password: 'Password123' }, '/new_password'],
    ['a new one of 257 characters', { new_password: 'x'.repeat(257) }, '/new_password'],
    ['no new one', { new_password: undefined }, '/new_password'],
    ['no current one', { current_password: undefined }, '/current_password'],
    ['an unknown field', { user_id: newId() }, '/user_id'],
  ])('refuses %s with a pointer', async (_what, fields, pointer) => {
    const body = { current_password: PASSWORD, new_password: 'a new password', ...fields };
    expectProblem(await ada.post('/users/me/password', body), 'validation_failed', [pointer]);
    await login(ada.email, PASSWORD).expect(200);
  });
});

describe('deleting the account', () => {
  /**
   * Every table that has rows of a user, from the catalogue, so that nobody has to remember a new one here. The audit log
   * stays: it holds ids only.
   */
  const tablesOfUsers = async (): Promise<string[]> =>
    (
      await t.database.query<{ name: string }>(
        `select c.table_name as name from information_schema.columns c
         join information_schema.tables b using (table_schema, table_name)
         where c.table_schema = 'public' and c.column_name = 'user_id' and b.table_type = 'BASE TABLE'
           -- That the account's tokens are refused has to be known for some minutes after its end.
           and c.table_name <> 'revocations'
           and c.table_name not in ('audit_events', 'audit_heads') order by 1`,
      )
    ).map(({ name }) => name);

  const rowsOf = async (user: TestUser): Promise<Record<string, number>> => {
    const counts: Record<string, number> = {};
    for (const [table, column] of [['users', 'id'], ...(await tablesOfUsers()).map((name) => [name, 'user_id'])]) {
      const [row] = await t.database.query<{ n: number }>(
        `select count(*)::int as n from ${table} where ${column} = $1`,
        [user.id],
      );
      counts[table as string] = row?.n ?? -1;
    }
    return counts;
  };

  /** A row of the user in every table, among them a turn that still runs; `end` lets it finish. */
  const fill = async (user: TestUser): Promise<{ end: () => void }> => {
    const made = await user.post('/projects', { name: 'Project' }).set('idempotency-key', 'once').expect(201);
    const project = made.body as { id: string };
    await user.prompt(project.id);
    await user.apiKey({ project_id: project.id });
    await user.patch(`/projects/${project.id}`, { requests_per_minute: 100 }).expect(200);
    await user.post('/projects', { name: 'Sealed', encrypt_content: true }).expect(201);
    const { assistant_message, session_id } = await user.turn({ project_id: project.id });
    await user.put(`/chat/messages/${assistant_message.id}/feedback`, { rating: 'up', comment: 'Fine' }).expect(200);
    const gate = t.model.hold('So far');
    const { body } = await user.post('/chat', { project_id: project.id, message: 'Hi', background: true }).expect(202);
    await gate.reached;
    const running = (body as { assistant_message: { id: string } }).assistant_message.id;
    await t.database.query(`insert into turn_chunks values ($1, $2, 1, 0, 'So far') on conflict do nothing`, [
      user.id,
      running,
    ]);
    await t.database.query(`insert into data_keys values ($1, 'x', 1) on conflict do nothing`, [user.id]);
    await t.database.query(
      `insert into provider_keys (user_id, project_id, id, provider, sealed_key) values ($1, $2, $3, 'openai', 'x')`,
      [user.id, project.id, newId()],
    );
    await t.database.query(`insert into second_factors (user_id, secret) values ($1, 'x')`, [user.id]);
    await t.database.query(
      `insert into session_summaries (user_id, message_id, session_id, claimed_until) values ($1, $2, $3, now())`,
      [user.id, assistant_message.id, session_id],
    );
    await t.database.query(`insert into retention_runs values ($1, $2, 1, 2, 3)`, [user.id, project.id]);
    await user.put('/users/me/budget', { day_limit_micro_usd: 5_000_000, month_limit_micro_usd: null }).expect(200);
    await t.database.query(
      `insert into budget_reservations (user_id, message_id, project_id, micro_usd) values ($1, $2, $3, 9)`,
      [user.id, running, project.id],
    );
    return { end: gate.release };
  };

  it('removes every row in every table, and no row of another user', async () => {
    const eve = await TestUser.register(t);
    const turns = [await fill(ada), await fill(eve)];
    const [before, hers] = [await rowsOf(ada), await rowsOf(eve)];
    expect(Object.keys(before)).toEqual(expect.arrayContaining(['users', 'sign_ins', 'messages', 'turns']));
    // A table that stays empty here would prove nothing: whoever adds one fills it in `fill`.
    expect(Object.entries(before).filter(([, count]) => count === 0)).toEqual([]);

    await ada.erase().expect(204);

    expect(await rowsOf(ada)).toEqual(Object.fromEntries(Object.keys(before).map((table) => [table, 0])));
    expect(await rowsOf(eve)).toEqual(hers);
    for (const { end } of turns) end();
  });

  it('invalidates its tokens', async () => {
    await ada.erase().expect(204);
    const answer = await ada.get('/users/me');
    expectProblem(answer, 'unauthenticated');
    expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
    expectProblem(await ada.patch('/users/me', { display_name: 'Ghost' }), 'unauthenticated');
    expectProblem(await ada.post('/projects', { name: 'Ghost' }), 'unauthenticated');
    expectProblem(await refresh(ada.refreshToken), 'invalid_refresh_token');
    expectProblem(await login(ada.email, PASSWORD), 'invalid_credentials');
    expectProblem(await ada.erase(), 'unauthenticated');
    expectProblem(await ada.get('/projects'), 'unauthenticated');
  });

  it('keeps the account and its tokens when the revocation cannot be written', async () => {
    await t.database.query('alter table revocations add constraint ck_test check (false) not valid');
    try {
      expectProblem(await ada.erase(), 'internal_error');
    } finally {
      await t.database.query('alter table revocations drop constraint ck_test');
    }
    await ada.get('/users/me').expect(200);
    await refresh(ada.refreshToken).expect(200);
  });

  it('frees the address, and a new account with it shows nothing of the old one', async () => {
    await ada.project({ name: 'Old' });
    await ada.erase().expect(204);
    const next = await TestUser.register(t, ada.email);
    expect(next.id).not.toBe(ada.id);
    expect((await next.get('/projects').expect(200)).body).toEqual({ data: [], next_cursor: null });
  });
});
