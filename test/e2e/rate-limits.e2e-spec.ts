import type { Response } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let other: TestApp['server'];
let admin: TestUser;
let ada: TestUser;
let project: { id: string };

beforeAll(async () => {
  t = await createTestApp({ usualOutputTokens: 100 });
  other = (await t.another()).getHttpServer();
  admin = await TestUser.register(t);
  await t.database.query(`update users set role = 'admin' where id = $1`, [admin.id]);
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  project = await ada.project();
});
afterAll(() => t.close());

type Limits = { plan?: string | null; requests_per_minute?: number | null; tokens_per_minute?: number | null };

const limit = (limits: Limits, user = ada) => admin.put(`/admin/users/${user.id}/limits`, { ...limits }).expect(200);
const send = (by = ada, fields: object = {}) => by.post('/chat', { project_id: project.id, message: 'Hi', ...fields });
/** As if so much time had passed, by the database's clock. */
const pass = (seconds: number) =>
  t.database.query(`update turn_buckets set full_at = full_at - $1 * interval '1 second'`, [seconds]);
const stored = async (user = ada): Promise<number> =>
  (await t.database.query('select 1 from messages where user_id = $1', [user.id])).length;
const turnOf = ({ body }: Response): TurnBody => body as TurnBody;
const usedBy = ({ usage }: MessageBody): number => (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0);

function expectLimited(answer: Response, name: string, allowed: number): number {
  expectProblem(answer, 'rate_limited');
  expect(answer.headers['ratelimit-policy']).toBe(`"${name}";q=${allowed};w=60`);
  expect(answer.headers.ratelimit).toMatch(new RegExp(`^"${name}";r=\\d+;t=\\d+$`));
  const wait = Number(answer.headers['retry-after']);
  expect(wait).toBeGreaterThan(0);
  return wait;
}

/** What an answer says is left of a limit. */
function left({ headers }: Response, name: string): number | null {
  const found = new RegExp(`"${name}";r=(\\d+);t=\\d+`).exec((headers.ratelimit as string | undefined) ?? '');
  return found === null ? null : Number(found[1]);
}

describe('turns of a user', () => {
  it('are reported in every response and refused beyond the limit; a refused turn stores nothing', async () => {
    await limit({ requests_per_minute: 3 });
    for (const remaining of [2, 1, 0]) {
      const answer = await send().expect(200);
      expect(answer.headers['ratelimit-policy']).toBe('"user-requests";q=3;w=60');
      expect(left(answer, 'user-requests')).toBe(remaining);
    }
    const asked = t.model.requests.length;
    const sessions = await t.database.query('select id from chat_sessions where user_id = $1', [ada.id]);
    expect(expectLimited(await send(), 'user-requests', 3)).toBeLessThanOrEqual(20);
    expect(await stored()).toBe(6);
    expect(await t.database.query('select id from chat_sessions where user_id = $1', [ada.id])).toEqual(sessions);
    expect(t.model.requests).toHaveLength(asked);
  });

  it('are accepted again after Retry-After, and not before', async () => {
    await limit({ requests_per_minute: 2 });
    for (let i = 0; i < 2; i++) await send().expect(200);
    const wait = expectLimited(await send(), 'user-requests', 2);
    await pass(wait - 2);
    expect(expectLimited(await send(), 'user-requests', 2)).toBeLessThanOrEqual(2);
    await pass(2);
    await send().expect(200);
    expectLimited(await send(), 'user-requests', 2);
  });

  it('never accumulate beyond the limit during a pause', async () => {
    await limit({ requests_per_minute: 2 });
    await send().expect(200);
    await pass(86_400);
    for (let i = 0; i < 2; i++) await send().expect(200);
    expectLimited(await send(), 'user-requests', 2);
  });

  it('are counted exactly by all instances together, under concurrency', async () => {
    await limit({ requests_per_minute: 20 });
    const there = ada.at(other);
    const start = Date.now();
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => send(i % 2 === 0 ? ada : there)));
    const allowed = answers.filter(({ status }) => status === 200).length;
    expect(allowed).toBeGreaterThanOrEqual(20);
    // And what has filled up meanwhile.
    expect(allowed).toBeLessThanOrEqual(20 + Math.floor((Date.now() - start) / 3000));
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(60 - allowed);
    expect(await stored()).toBe(2 * allowed);
  });

  it('include streams, background turns, turns in a session and regenerated answers', async () => {
    await limit({ requests_per_minute: 4 });
    const stream = await send(ada, { stream: true }).expect(200);
    expect(stream.headers['content-type']).toContain('text/event-stream');
    expect(left(stream, 'user-requests')).toBe(3);
    const begun = await send(ada, { background: true }).expect(202);
    expect(left(begun, 'user-requests')).toBe(2);
    const { session_id, assistant_message } = turnOf(begun);
    await expectSoon(async () =>
      expect((await ada.get(`/chat/messages/${assistant_message.id}`)).body).toMatchObject({ status: 'completed' }),
    );
    const again = `/chat/messages/${assistant_message.id}/regenerate`;
    expect(left(await ada.post(again, {}).expect(200), 'user-requests')).toBe(1);
    expect(left(await send(ada, { session_id }).expect(200), 'user-requests')).toBe(0);
    const before = await stored();
    expectLimited(await ada.post(again, {}), 'user-requests', 4);
    expectLimited(await send(ada, { session_id, stream: true }), 'user-requests', 4);
    expect(await stored()).toBe(before);
  });

  it('are not counted when they are refused', async () => {
    await limit({ requests_per_minute: 2 });
    const session = await ada.session(project.id);
    const gate = t.model.hold();
    const running = send(ada, { session_id: session.id, background: true });
    expect(left(await running.expect(202), 'user-requests')).toBe(1);
    await gate.reached;
    for (let i = 0; i < 3; i++) {
      expectProblem(await send(ada, { session_id: session.id }), 'turn_in_progress');
      expectProblem(await send(ada, { project_id: newId() }), 'not_found');
      expectProblem(await send(ada, { message: '' }), 'validation_failed');
    }
    gate.release();
    expect(left(await send().expect(200), 'user-requests')).toBe(0);
  });

  it('count once for one Idempotency-Key, and a refused turn leaves its key unused', async () => {
    await limit({ requests_per_minute: 2 });
    const key = { 'idempotency-key': 'a-turn' };
    const first = await send().set(key).expect(200);
    for (let i = 0; i < 3; i++) {
      const again = await send().set(key).expect(200);
      expect(again.headers['idempotent-replayed']).toBe('true');
      expect(again.body).toEqual(first.body);
      expect(again.headers.ratelimit).toBeUndefined();
    }
    await send().expect(200);
    const late = { 'idempotency-key': 'a-later-turn' };
    const wait = expectLimited(await send().set(late), 'user-requests', 2);
    // A repeat of what is stored is let through all the same.
    expect((await send().set(key).expect(200)).body).toEqual(first.body);
    await pass(wait);
    const answer = await send().set(late).expect(200);
    expect(answer.headers['idempotent-replayed']).toBeUndefined();
  });

  it('do not affect other users', async () => {
    await limit({ requests_per_minute: 1 });
    await send().expect(200);
    expectLimited(await send(), 'user-requests', 1);
    const eve = await TestUser.register(t);
    await limit({ requests_per_minute: 1 }, eve);
    const { id } = await eve.project();
    await send(eve, { project_id: id }).expect(200);
  });

  it('are also reported in a failed answer', async () => {
    await limit({ requests_per_minute: 2 });
    t.model.next((_request, answer) => answer.refuse(500));
    const failed = await send();
    expectProblem(failed, 'provider_error');
    expect(left(failed, 'user-requests')).toBe(1);
  });
});

describe('tokens', () => {
  /** Seconds until a bucket is full, as parts of a minute times its limit: what is lacking. */
  const lacking = async (subject = ada.id): Promise<number> => {
    const [row] = await t.database.query<{ lacks: number }>(
      `select (extract(epoch from full_at - now()) / 60 * size)::float8 as lacks from turn_buckets
       where subject_id = $1 and unit = 'tokens'`,
      [subject],
    );
    return row?.lacks ?? 0;
  };
  // What fills up while a test runs is a part of it.
  const expectLacking = async (tokens: number, subject = ada.id): Promise<void> =>
    expectSoon(async () => {
      const found = await lacking(subject);
      expect(found).toBeLessThanOrEqual(tokens + 1);
      expect(found).toBeGreaterThan(tokens - LIMIT / 12);
    });
  const LIMIT = 6000;

  it('are charged before the model is called, and corrected by the actual usage', async () => {
    await limit({ tokens_per_minute: LIMIT });
    const gate = t.model.hold('', 'word '.repeat(200));
    const begun = await send(ada, { background: true, params: { max_output_tokens: 4000 } }).expect(202);
    await gate.reached;
    await expectLacking(4001);
    expect(left(begun, 'user-tokens')).toBe(LIMIT - 4001);
    gate.release();
    await expectSoon(async () => {
      const { body } = await ada.get(`/chat/messages/${turnOf(begun).assistant_message.id}`);
      expect((body as MessageBody).status).toBe('completed');
      const used = usedBy(body as MessageBody);
      expect(used).toBeGreaterThan(1000);
      expect(await lacking()).toBeLessThanOrEqual(used + 1);
      expect(await lacking()).toBeGreaterThan(used - LIMIT / 12);
    });
  });

  it.each([
    ['of the request', { params: { max_output_tokens: 700 } }, 400, 701],
    ['of the project', {}, 400, 401],
    ['of the default, when none is set', {}, null, 101],
  ])('are estimated by the cap %s', async (_name, fields, cap, taken) => {
    if (cap !== null) await ada.patch(`/projects/${project.id}`, { params: { max_output_tokens: cap } }).expect(200);
    await limit({ tokens_per_minute: LIMIT });
    expect(left(await send(ada, { ...fields }).expect(200), 'user-tokens')).toBe(LIMIT - taken);
  });

  it('can become negative, and the next turn must wait until they are positive', async () => {
    await limit({ tokens_per_minute: 1000 });
    t.model.next((_request, answer) => {
      answer.delta('x'.repeat(3000));
      answer.finish();
    });
    const { assistant_message } = turnOf(await send().expect(200));
    expect(usedBy(assistant_message)).toBeGreaterThan(3000);
    const wait = expectLimited(await send(), 'user-tokens', 1000);
    // Some 3000 are used, and 101 are asked for, of 1000 a minute.
    expect(wait).toBeGreaterThan(100);
    await pass(wait - 30);
    expectLimited(await send(), 'user-tokens', 1000);
    await pass(30);
    await send().expect(200);
  });

  it('let a turn through that is larger than the bucket, when the bucket is full', async () => {
    await limit({ tokens_per_minute: 1000 });
    const large = { params: { max_output_tokens: 50_000 } };
    const answer = await send(ada, large).expect(200);
    expect(left(answer, 'user-tokens')).toBe(0);
    // It used next to nothing, so nearly all is there again, but not all.
    const wait = expectLimited(await send(ada, large), 'user-tokens', 1000);
    expect(wait).toBeLessThan(20);
    await pass(wait);
    await send(ada, large).expect(200);
  });

  it('are returned when the model was not called or refused', async () => {
    await limit({ tokens_per_minute: LIMIT });
    t.model.next((_request, answer) => answer.refuse(500));
    expectProblem(await send(ada, { params: { max_output_tokens: 5000 } }), 'provider_error');
    await expectLacking(0);
    const session = await ada.session(project.id);
    const gate = t.model.hold();
    await send(ada, { session_id: session.id, background: true }).expect(202);
    await gate.reached;
    const waiting = { session_id: session.id, background: true, on_conflict: 'queue' };
    const queued = turnOf(await send(ada, { ...waiting, params: { max_output_tokens: 5000 } }).expect(202));
    await expectLacking(101 + 5001);
    await ada.post(`/chat/messages/${queued.assistant_message.id}/stop`).expect(200);
    await expectLacking(101);
    gate.release();
  });
});

describe('a project', () => {
  it('has its own limits, which its owner sets and removes', async () => {
    await limit({ requests_per_minute: 4 });
    const made = await ada.project({ requests_per_minute: 1, tokens_per_minute: 5000 });
    expect((await ada.get(`/projects/${made.id}`).expect(200)).body).toMatchObject({
      requests_per_minute: 1,
      tokens_per_minute: 5000,
    });
    const answer = await send(ada, { project_id: made.id }).expect(200);
    for (const [name, remaining] of Object.entries({ 'project-requests': 0, 'user-requests': 3 }))
      expect({ name, remaining: left(answer, name) }).toEqual({ name, remaining });
    expect(left(answer, 'project-tokens')).toBe(4899);
    expectLimited(await send(ada, { project_id: made.id }), 'project-requests', 1);
    // Refused by one bucket, it has taken nothing from the others.
    expect(left(await send().expect(200), 'user-requests')).toBe(2);
    await ada.patch(`/projects/${made.id}`, { requests_per_minute: null, tokens_per_minute: null }).expect(200);
    const free = await send(ada, { project_id: made.id }).expect(200);
    expect(free.headers['ratelimit-policy']).toBe('"user-requests";q=4;w=60');
  });

  it('cannot raise the limits of its user', async () => {
    await limit({ requests_per_minute: 1 });
    await ada.patch(`/projects/${project.id}`, { requests_per_minute: 100 }).expect(200);
    await send().expect(200);
    expectLimited(await send(), 'user-requests', 1);
  });

  it.each([0, -1, 1.5, 1_000_001, '1'])('refuses %p turns in a minute', async (requests_per_minute) => {
    expectProblem(await ada.patch(`/projects/${project.id}`, { requests_per_minute }), 'validation_failed', [
      '/requests_per_minute',
    ]);
  });
});

describe('an API key', () => {
  it('has its own limits from its creation, in addition to those of its user', async () => {
    const { id, key } = await ada.apiKey({ requests_per_minute: 2, tokens_per_minute: 10_000 });
    const { data } = (await ada.get('/auth/api-keys').expect(200)).body as { data: object[] };
    expect(data).toMatchObject([{ id, requests_per_minute: 2, tokens_per_minute: 10_000 }]);
    const program = ada.by(key);
    const answer = await send(program).expect(200);
    expect(answer.headers['ratelimit-policy']).toBe('"key-requests";q=2;w=60, "key-tokens";q=10000;w=60');
    await send(program).expect(200);
    expectLimited(await send(program), 'key-requests', 2);
    await send().expect(200);
    await send(ada.by((await ada.apiKey()).key)).expect(200);
  });

  it('of a project counts for user, project and key', async () => {
    await limit({ requests_per_minute: 4 });
    await ada.patch(`/projects/${project.id}`, { requests_per_minute: 3 }).expect(200);
    const { key } = await ada.apiKey({ project_id: project.id, requests_per_minute: 2 });
    const answer = await send(ada.by(key)).expect(200);
    for (const [name, remaining] of Object.entries({ user: 3, project: 2, key: 1 }))
      expect({ name, remaining: left(answer, `${name}-requests`) }).toEqual({ name, remaining });
    // What was done without the key counts there as well.
    await send().expect(200);
    expect(left(await send(ada.by(key)).expect(200), 'user-requests')).toBe(1);
  });
});

describe('plans', () => {
  const planOf = (user = ada) => admin.get(`/admin/users/${user.id}/limits`).expect(200);

  it('limit their users, and admins see the limits in force', async () => {
    expect((await planOf()).body).toEqual({
      plan: null,
      requests_per_minute: null,
      tokens_per_minute: null,
      in_force: { name: 'unlimited', requests_per_minute: null, tokens_per_minute: null },
    });
    const { body } = await limit({ plan: 'free' });
    const free = { name: 'free', requests_per_minute: 120, tokens_per_minute: 500_000 };
    expect(body).toMatchObject({ plan: 'free', in_force: free });
    expect((await planOf()).body).toEqual(body);
    const answer = await send().expect(200);
    expect(answer.headers['ratelimit-policy']).toBe('"user-requests";q=120;w=60, "user-tokens";q=500000;w=60');
  });

  it('are overridden by the limits of the user, one by one', async () => {
    const { body } = await limit({ plan: 'free', requests_per_minute: 7 });
    expect(body).toMatchObject({ in_force: { name: 'free', requests_per_minute: 7, tokens_per_minute: 500_000 } });
    const answer = await send().expect(200);
    expect(answer.headers['ratelimit-policy']).toBe('"user-requests";q=7;w=60, "user-tokens";q=500000;w=60');
  });

  it('change for all their users, from the next turn on, on every instance', async () => {
    const name = `plan-${newId().slice(-8)}`;
    await admin.put('/admin/plans', { name, requests_per_minute: 50 }).expect(200);
    await limit({ plan: name });
    expect(left(await send().expect(200), 'user-requests')).toBe(49);
    await admin.put('/admin/plans', { name, requests_per_minute: 1, tokens_per_minute: 1000 }).expect(200);
    expectLimited(await send(ada.at(other)), 'user-requests', 1);
    const { body } = await admin.get('/admin/plans').expect(200);
    expect((body as { data: object[] }).data).toContainEqual({
      name,
      requests_per_minute: 1,
      tokens_per_minute: 1000,
    });
    await limit({});
    const free = await send().expect(200);
    expect(free.headers.ratelimit).toBeUndefined();
  });

  it('leave no bucket where nothing is limited', async () => {
    await send().expect(200);
    expect(await t.database.query('select 1 from turn_buckets where user_id = $1', [ada.id])).toEqual([]);
  });

  it('apply to users without a plan through the default plan', async () => {
    const limited = await t.another({ defaultPlan: 'pro' });
    const answer = await send(ada.at(limited.getHttpServer())).expect(200);
    expect(left(answer, 'user-requests')).toBe(1199);
  });

  it('must exist to be the default; otherwise the server does not start', async () => {
    await expect(t.another({ defaultPlan: 'fre' })).rejects.toThrow(
      /^DEFAULT_PLAN: there is no plan "fre", only free, .*pro, unlimited$/,
    );
  });

  it('are set by admins, and both audit logs record it', async () => {
    await limit({ plan: 'pro', tokens_per_minute: 9 });
    for (const user of [admin, ada]) {
      const [event] = await t.database.query(
        `select action, actor_kind as kind, subject_id as subject, facts from audit_events
         where user_id = $1 order by seq desc limit 1`,
        [user.id],
      );
      expect(event).toEqual({
        action: 'admin.user_limits_changed',
        kind: user === admin ? 'user' : 'admin',
        subject: ada.id,
        facts: { plan: 'pro', requests_per_minute: null, tokens_per_minute: 9 },
      });
    }
  });

  it.each([
    ['an unknown plan', { plan: 'gold' }, '/plan'],
    ['no turns at all', { requests_per_minute: 0 }, '/requests_per_minute'],
    ['half a token', { tokens_per_minute: 0.5 }, '/tokens_per_minute'],
    ['an invalid limit', { role: 'admin' }, '/role'],
  ])('refuse %s', async (_what, limits, pointer) => {
    expectProblem(await admin.put(`/admin/users/${ada.id}/limits`, limits), 'validation_failed', [pointer]);
  });

  it('cannot be changed by a user, under a wrong name, or for an unknown user', async () => {
    expectProblem(await ada.put('/admin/plans', { name: 'free' }), 'admin_required');
    expectProblem(await ada.patch('/users/me', { plan: 'unlimited' }), 'validation_failed', ['/plan']);
    expectProblem(await admin.put('/admin/plans', { name: 'No Name' }), 'validation_failed', ['/name']);
    expectProblem(await admin.put(`/admin/users/${newId()}/limits`, {}), 'not_found');
  });
});

describeWithRedis('with Redis', () => {
  it('limits stay exact while Redis is killed and comes back', async () => {
    const redis = await RedisServer.start();
    try {
      const [here, there] = [await t.another({ redisUrl: redis.url }), await t.another({ redisUrl: redis.url })];
      const by = [ada.at(here.getHttpServer()), ada.at(there.getHttpServer())] as const;
      await limit({ requests_per_minute: 3 });
      expect(left(await send(by[0]).expect(200), 'user-requests')).toBe(2);
      await redis.kill();
      expect(left(await send(by[1]).expect(200), 'user-requests')).toBe(1);
      await redis.start();
      expect(left(await send(by[0]).expect(200), 'user-requests')).toBe(0);
      for (const user of by) expectLimited(await send(user), 'user-requests', 3);
    } finally {
      await redis.remove();
    }
  });
});
