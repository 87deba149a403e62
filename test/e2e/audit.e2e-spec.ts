import request from 'supertest';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Event {
  id: string;
  seq: number;
  action: string;
  actor: { type: string; id: string | null };
  subject_id: string | null;
  facts: Record<string, unknown>;
  hash: string;
  created_at: string;
}

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp();
});
beforeEach(async () => {
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

const login = (password: string) => request(t.server).post('/auth/login').send({ email: ada.email, password });

/** The user's log, oldest first, without the two events of her registration. */
const eventsOf = async (user: TestUser): Promise<Event[]> =>
  (await listPages<Event>(user, '/users/me/audit-events', 100)).flat().reverse().slice(2);
const lastOf = async (user: TestUser): Promise<Event | undefined> => (await eventsOf(user)).at(-1);

/** What is stored of a user, also when nobody can ask for it any more. */
const stored = (userId: string) =>
  t.database.query<{ action: string; actor_kind: string; subject_id: string | null; text: string }>(
    'select action, actor_kind, subject_id, e::text as text from audit_events e where user_id = $1 order by seq',
    [userId],
  );

describe("a user's own log", () => {
  it('begins with the registration and shows each event once, newest first, in pages', async () => {
    for (let i = 0; i < 5; i++) await ada.project();
    const pages = await listPages<Event>(ada, '/users/me/audit-events', 3);
    expect(pages.map((page) => page.map(({ seq }) => seq))).toEqual([[7, 6, 5], [4, 3, 2], [1]]);
    const [signedIn, registered] = pages.flat().slice(-2) as [Event, Event];
    expect(registered).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
      seq: 1,
      action: 'account.registered',
      actor: { type: 'user', id: null },
      subject_id: null,
      facts: {},
      hash: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as string,
    });
    expect(signedIn).toMatchObject({ action: 'sign_in.created', actor: { type: 'user', id: signedIn.subject_id } });
  });

  it('shows nothing of another user', async () => {
    const eve = await TestUser.register(t);
    await eve.project();
    expect(await eventsOf(ada)).toEqual([]);
  });

  it('refuses a cursor of another user', async () => {
    const { body } = await ada.get('/users/me/audit-events?limit=1').expect(200);
    const { next_cursor } = body as { next_cursor: string };
    const eve = await TestUser.register(t);
    expectProblem(await eve.get(`/users/me/audit-events?cursor=${next_cursor}`), 'invalid_cursor');
  });
});

describe('what is recorded', () => {
  it('signing in and out', async () => {
    const { body } = await login(PASSWORD).expect(200);
    const { subject_id } = (await lastOf(ada)) as Event;
    const { access_token } = body as { access_token: string };
    const out = () => request(t.server).post('/auth/logout').set('authorization', `Bearer ${access_token}`);
    await out().expect(204);
    await out().expect(401);
    expect(await eventsOf(ada)).toMatchObject([
      { action: 'sign_in.created', actor: { type: 'user', id: subject_id }, subject_id },
      { action: 'sign_in.ended', actor: { type: 'user', id: subject_id }, subject_id },
    ]);
  });

  it('a failed sign-in to an account, but not to an address without one', async () => {
    const before = await t.database.query('select count(*) from audit_events');
    await request(t.server)
      .post('/auth/login')
      .send({ email: `x${ada.email}`, password: PASSWORD })
      .expect(401);
    expect(await t.database.query('select count(*) from audit_events')).toEqual(before);
    await login('wrong password').expect(401);
    await expectSoon(async () =>
      expect(await eventsOf(ada)).toMatchObject([
        { action: 'sign_in.failed', actor: { type: 'anonymous', id: null }, facts: { reason: 'wrong_password' } },
      ]),
    );
  });

  it('the reuse of a refresh token', async () => {
    const refresh = (refresh_token: string) => request(t.server).post('/auth/refresh').send({ refresh_token });
    const { body } = await login(PASSWORD).expect(200);
    const { refresh_token } = body as { refresh_token: string };
    const { subject_id } = (await lastOf(ada)) as Event;
    await refresh(((await refresh(refresh_token).expect(200)).body as { refresh_token: string }).refresh_token).expect(
      200,
    );
    await refresh(refresh_token).expect(401);
    expect(await lastOf(ada)).toMatchObject({
      action: 'sign_in.refresh_reused',
      actor: { type: 'anonymous' },
      subject_id,
    });
  });

  it('changes of the profile by field name only, and of the password', async () => {
    await ada.patch('/users/me', { display_name: 'Countess' }).expect(200);
    await ada.patch('/users/me', {}).expect(200);
    await ada
      .post('/users/me/password', { current_password: PASSWORD, new_password: 'a very new password' })
      .expect(204);
    expect(await eventsOf(ada)).toMatchObject([
      { action: 'account.profile_changed', facts: { fields: ['display_name'] } },
      { action: 'account.password_changed', facts: {} },
    ]);
  });

  it('projects that are created, changed and deleted, and deleted sessions', async () => {
    const { id } = await ada.project();
    const session = await ada.session(id);
    await ada.patch(`/projects/${id}`, { name: 'Other', params: { temperature: 0 } }).expect(200);
    await ada.patch(`/projects/${id}`, {}).expect(200);
    await ada.delete(`/chat/sessions/${session.id}`).expect(204);
    await ada.delete(`/projects/${id}`).expect(204);
    expect(await eventsOf(ada)).toMatchObject([
      { action: 'project.created', subject_id: id },
      { action: 'project.changed', subject_id: id, facts: { fields: ['name', 'params'] } },
      { action: 'session.deleted', subject_id: session.id },
      { action: 'project.deleted', subject_id: id },
    ]);
  });

  it('no turn', async () => {
    const { id } = await ada.project();
    await ada.turn({ project_id: id });
    expect(await eventsOf(ada)).toHaveLength(1);
  });

  it('nothing that was refused or rolled back', async () => {
    const { id } = await ada.project();
    const before = await stored(ada.id);
    await ada.delete(`/projects/${id}`).set('if-match', '"9"').expect(412);
    await ada.post('/projects', { name: '' }).expect(422);
    await t.database.query('alter table projects add constraint ck_test check (name <> $$Never$$) not valid');
    await ada.patch(`/projects/${id}`, { name: 'Never' }).expect(500);
    await t.database.query('alter table projects drop constraint ck_test');
    expect(await stored(ada.id)).toEqual(before);
  });

  it('no change happens that cannot be recorded', async () => {
    const { id } = await ada.project();
    await t.database.query(
      `alter table audit_events add constraint ck_test check (action <> 'project.deleted') not valid`,
    );
    await ada.delete(`/projects/${id}`).expect(500);
    await t.database.query('alter table audit_events drop constraint ck_test');
    await ada.get(`/projects/${id}`).expect(200);
  });

  it('one event for a write that is repeated with its Idempotency-Key', async () => {
    for (let i = 0; i < 2; i++) await ada.post('/projects', { name: 'Once' }).set('idempotency-key', 'k').expect(201);
    expect(await eventsOf(ada)).toHaveLength(1);
  });
});

describe('deleting the account', () => {
  it('is the last event, and the events that remain do not identify the user', async () => {
    await ada.patch('/users/me', { display_name: 'Countess' }).expect(200);
    await login('wrong password').expect(401);
    await expectSoon(async () => expect(await lastOf(ada)).toMatchObject({ action: 'sign_in.failed' }));
    await ada.erase().expect(204);
    const events = await stored(ada.id);
    expect(events.at(-1)?.action).toBe('account.deleted');
    for (const { text } of events) {
      for (const personal of [ada.email, ada.email.split('@')[0] as string, 'Countess', 'wrong password']) {
        expect(text).not.toContain(personal);
      }
    }
  });
});
