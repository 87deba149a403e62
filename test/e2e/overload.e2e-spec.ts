import { setImmediate as nextTick } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import request, { type Response } from 'supertest';
import { EventLoop } from '../../src/platform/load/event-loop.js';
import { PASSWORD, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;
let projectId: string;

beforeAll(async () => {
  t = await createTestApp({ maxTurns: 2, turnWaitMs: 100, turnSweepMs: 100, llmCallsPerProvider: 4 });
});
afterAll(() => t.close());
beforeEach(async () => {
  ada = await TestUser.register(t);
  projectId = (await ada.project()).id;
});

const inBackground = async (fields: Record<string, unknown> = {}, user = ada): Promise<TurnBody> =>
  (await user.post('/chat', { project_id: projectId, message: 'Hi', background: true, ...fields }).expect(202))
    .body as TurnBody;
const storedCount = async (): Promise<number> =>
  (await t.database.query('select 1 from messages where user_id = $1', [ada.id])).length;
const statusOf = async (id: string): Promise<string> =>
  ((await ada.get(`/chat/messages/${id}`)).body as { status: string }).status;

describe('an instance that runs its maximum of answers', () => {
  it('refuses a message with Retry-After, and stores nothing', async () => {
    const gates = [t.model.hold(), t.model.hold()];
    const turns = [await inBackground(), await inBackground()];
    await Promise.all(gates.map(({ reached }) => reached));
    const before = await storedCount();
    const refused = await ada.post('/chat', { project_id: projectId, message: 'One more' });
    expectProblem(refused, 'overloaded');
    expect([refused.status, refused.headers['retry-after']]).toEqual([503, '2']);
    expect(await storedCount()).toBe(before);
    // All else goes on.
    expect(await statusOf(turns[0]?.assistant_message.id as string)).toBe('pending');
    await ada.post(`/chat/messages/${turns[0]?.assistant_message.id}/stop`).expect(200);
    expect((await ada.post('/chat', { project_id: projectId, message: 'Now' })).status).toBe(200);
    for (const gate of gates) gate.release();
    await expectSoon(async () => expect(await statusOf(turns[1]?.assistant_message.id as string)).toBe('completed'));
  });

  it('answers a repeat of an Idempotency-Key at once, because it needs no slot', async () => {
    const unhurried = await t.another({ turnWaitMs: 5000, maxTurns: 1 });
    const there = ada.at(unhurried.getHttpServer());
    const send = (key: string, message: string) =>
      there.post('/chat', { project_id: projectId, message, background: true }).set('idempotency-key', key);
    const over = (await send('over', 'First').expect(202)).body as TurnBody;
    await expectSoon(async () => expect(await statusOf(over.assistant_message.id)).toBe('completed'));
    const gate = t.model.hold();
    const running = (await send('runs', 'Second').expect(202)).body as TurnBody;
    await gate.reached;
    const begunMs = performance.now();
    for (const [key, message, turn] of [
      ['over', 'First', over],
      ['runs', 'Second', running],
    ] as const) {
      const again = await send(key, message).expect(202);
      expect(again.headers['idempotent-replayed']).toBe('true');
      expect((again.body as TurnBody).assistant_message.id).toBe(turn.assistant_message.id);
    }
    expectProblem(await send('runs', 'Something else'), 'idempotency_key_reused');
    expect(performance.now() - begunMs).toBeLessThan(5000);
    gate.release();
    await expectSoon(async () => expect(await statusOf(running.assistant_message.id)).toBe('completed'));
    await unhurried.close();
  });

  it('refuses a message with an unused Idempotency-Key, and leaves the key unused', async () => {
    const gates = [t.model.hold(), t.model.hold()];
    await inBackground();
    await inBackground();
    await Promise.all(gates.map(({ reached }) => reached));
    const send = () => ada.post('/chat', { project_id: projectId, message: 'New' }).set('idempotency-key', 'new');
    expectProblem(await send(), 'overloaded');
    for (const gate of gates) gate.release();
    await expectSoon(async () => expect((await send()).status).toBe(200));
  });

  it('lets a message wait for a slot, and answers it when one becomes free in time', async () => {
    const patient = await t.another({ turnWaitMs: 5000, maxTurns: 1 });
    const there = ada.at(patient.getHttpServer());
    const gate = t.model.hold();
    await inBackground({}, there);
    await gate.reached;
    const waiting = there.post('/chat', { project_id: projectId, message: 'Then me' }).then((response) => response);
    gate.release();
    expect((await waiting).body).toMatchObject({ assistant_message: { content: 'You said: Then me' } });
    // It would have room for what others leave.
    await patient.close();
  });

  it('answers the next queued message of a session in the slot of the previous one', async () => {
    const [first, other] = [t.model.hold(), t.model.hold()];
    const { session_id } = await inBackground();
    await first.reached;
    const queued = await inBackground({ session_id, project_id: undefined, message: 'Next', on_conflict: 'queue' });
    await inBackground();
    await other.reached;
    first.release();
    await expectSoon(async () => expect(await statusOf(queued.assistant_message.id)).toBe('completed'));
    other.release();
  });

  it('takes over the turns of a stopped instance as slots become free, and loses none', async () => {
    const leaving = await t.another({ maxTurns: 10, shutdownGraceMs: 0 });
    const there = ada.at(leaving.getHttpServer());
    const mine = [t.model.hold(), t.model.hold()];
    await inBackground();
    await inBackground();
    await Promise.all(mine.map(({ reached }) => reached));
    const theirs = [t.model.hold(), t.model.hold()];
    const turns = [await inBackground({}, there), await inBackground({}, there)];
    await Promise.all(theirs.map(({ reached }) => reached));
    await leaving.close();
    const claims = async (): Promise<number> =>
      (await t.database.query('select 1 from turns where user_id = $1 and lease_until <= now()', [ada.id])).length;
    await expectSoon(async () => expect(await claims()).toBe(2));
    for (const gate of mine) gate.release();
    for (const { assistant_message } of turns) {
      await expectSoon(async () => expect(await statusOf(assistant_message.id)).toBe('completed'));
    }
  });
});

describe('a provider with its maximum of calls', () => {
  let small: NestFastifyApplication;
  let there: TestUser;

  beforeAll(async () => {
    small = await t.another({ maxTurns: 100, turnWaitMs: 100, llmCallsPerProvider: 1 });
  });
  beforeEach(() => {
    there = ada.at(small.getHttpServer());
  });

  it('gets no more; the question is stored, and a fallback answers', async () => {
    const gate = t.model.hold();
    await inBackground({}, there);
    await gate.reached;
    const busy = await there.post('/chat', { project_id: projectId, message: 'Hi' });
    expectProblem(busy, 'provider_busy');
    expect(busy.headers['retry-after']).toBe('1');
    const withFallback = await ada.project({ fallbacks: [{ provider: 'offline' }] });
    const { assistant_message } = await there.turn({ project_id: withFallback.id });
    expect(assistant_message).toMatchObject({ provider: 'offline', status: 'completed' });
    gate.release();
    await expectSoon(() => there.post('/chat', { project_id: projectId, message: 'Now' }).expect(200));
  });

  it('gets the slot back from an answer that is stopped, fails or ends', async () => {
    const gate = t.model.hold('Half');
    const turn = await inBackground({}, there);
    await gate.reached;
    await there.post(`/chat/messages/${turn.assistant_message.id}/stop`).expect(200);
    t.model.next((_request, wire) => wire.refuse(400));
    await there.post('/chat', { project_id: projectId, message: 'Fails' }).expect(502);
    await there.turn({ project_id: projectId });
    await there.turn({ project_id: projectId });
  });
});

describe('a burst of sign-ins', () => {
  const LOCKED = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
  let other: pg.Client;

  /** The first of them waits for this; the others wait for the first. */
  beforeEach(async () => {
    other = new pg.Client({ connectionString: t.database.url });
    await other.connect();
    await other.query('begin; lock table rate_limits in access exclusive mode');
  });
  afterEach(() => other.end());

  const login = async (i: number): Promise<Response> =>
    request(t.server)
      .post('/auth/login')
      .send({ email: `nobody${i}@example.com`, password: PASSWORD });

  it('leaves connections for chats while the first sign-in waits for the database', async () => {
    const signIns = Promise.all(Array.from({ length: 20 }, (_, i) => login(i)));
    await expectSoon(async () => expect(await t.database.query(LOCKED)).toHaveLength(1));
    expect((await ada.post('/chat', { project_id: projectId, message: 'Meanwhile' })).status).toBe(200);
    expect(await t.database.query(LOCKED)).toHaveLength(1);
    await other.query('rollback');
    expect((await signIns).map(({ status }) => status)).toEqual(Array(20).fill(401));
  });

  it('waits as long as for a connection, and then gets Retry-After', async () => {
    const first = login(0);
    await expectSoon(async () => expect(await t.database.query(LOCKED)).toHaveLength(1));
    const second = await login(1);
    expectProblem(second, 'overloaded');
    expect(second.headers['retry-after']).toBe('2');
    await other.query('rollback');
    expect((await first).status).toBe(401);
  });
});

describe('an instance whose event loop is delayed', () => {
  /** Nothing else gets a turn for so long. */
  function block(ms: number): void {
    const end = performance.now() + ms;
    while (performance.now() < end);
  }

  it('refuses new messages, answers all other requests, and accepts messages again afterwards', async () => {
    const late = await t.another({ maxTurns: 100, maxEventLoopDelayMs: 300 });
    const there = ada.at(late.getHttpServer());
    const gate = t.model.hold();
    const keyed = () =>
      there.post('/chat', { project_id: projectId, message: 'Hi', background: true }).set('idempotency-key', 'late');
    const turn = (await keyed().expect(202)).body as TurnBody;
    await gate.reached;
    const loop = late.get(EventLoop);
    while (!loop.isLate) {
      block(700);
      await nextTick();
    }
    const before = await storedCount();
    const refused = await there.post('/chat', { project_id: projectId, message: 'Hi' });
    expectProblem(refused, 'overloaded');
    expect(refused.headers['retry-after']).toBe('2');
    const repeated = (await keyed().expect(202)).body as TurnBody;
    expect(repeated.assistant_message.id).toBe(turn.assistant_message.id);
    expect(await storedCount()).toBe(before);
    await there.get('/health/live').expect(200);
    await there.get(`/chat/messages/${turn.assistant_message.id}`).expect(200);
    await there.post(`/chat/messages/${turn.assistant_message.id}/stop`).expect(200);
    await expectSoon(() => expect(loop.isLate).toBe(false));
    expect((await there.post('/chat', { project_id: projectId, message: 'Hi' })).status).toBe(200);
  });
});
