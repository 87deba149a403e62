import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { newId } from '../../src/kernel/ids.js';
import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { TurnRunner } from '../../src/modules/chat/running/turn-runner.js';
import { TurnStore } from '../../src/modules/chat/storage/turn-store.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { readEvents } from '../support/read-events.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

describe('a turn in a race', () => {
  let t: TestApp;
  let ada: TestUser;
  let project: { id: string };
  /** A connection of its own, that holds what the server wants to have. */
  let other: pg.Client;

  beforeAll(async () => {
    t = await createTestApp({ turnFlushMs: 30, turnSweepMs: 600_000, databasePoolSize: 8 });
    ada = await TestUser.register(t);
    other = new pg.Client({ connectionString: t.database.url });
    await other.connect();
  });
  beforeEach(async () => {
    project = await ada.project({ on_conflict: 'queue' });
  });
  afterAll(async () => {
    await other.end();
    await t.close();
  });

  const begin = async (fields: Record<string, unknown>): Promise<TurnBody> =>
    (await ada.post('/chat', { message: 'Go', background: true, ...fields }).expect(202)).body as TurnBody;
  const message = async (id: string): Promise<MessageBody> =>
    (await ada.get(`/chat/messages/${id}`).expect(200)).body as MessageBody;
  const settled = (id: string): Promise<MessageBody> =>
    expectSoon(async () => {
      const found = await message(id);
      expect(found.completed_at).not.toBeNull();
      return found;
    });
  /** Until so many of the server's transactions wait for a lock. */
  const waiters = (count: number): Promise<unknown> =>
    expectSoon(async () =>
      expect(
        await t.database.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        ),
      ).toHaveLength(count),
    );

  it('is not overtaken by a later turn when the turn before both ends in between', async () => {
    const gate = t.model.hold('First');
    const { session_id, assistant_message: first } = await begin({ project_id: project.id, message: 'One' });
    await gate.reached;
    await other.query('begin');
    await other.query('select from chat_sessions where id = $1 for update', [session_id]);
    const second = begin({ session_id, message: 'Two' });
    await waiters(1);
    gate.release();
    await settled(first.id);
    const third = begin({ session_id, message: 'Three' });
    await waiters(2);
    await other.query('commit');
    await settled((await second).assistant_message.id);
    await settled((await third).assistant_message.id);
    expect(t.model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'One',
      'First',
      'Two',
      'You said: Two',
      'Three',
    ]);
  });

  it('is refused while others wait, even when none is running', async () => {
    const gate = t.model.hold();
    const { session_id, assistant_message: first } = await begin({ project_id: project.id });
    await gate.reached;
    const { assistant_message: waiting } = await begin({ session_id, message: 'Waiting' });
    // As between the end of one turn and the beginning of the next.
    await t.database.query('delete from turns where message_id = $1', [first.id]);
    expectProblem(await ada.post('/chat', { session_id, message: 'Jump', on_conflict: 'reject' }), 'turn_in_progress');
    await t.app.get(TurnKeeperJob).takeOver();
    expect((await settled(waiting.id)).status).toBe('completed');
    gate.release();
  });

  it('that was not opened leaves its Idempotency-Key unused', async () => {
    const key = { 'idempotency-key': newId() };
    expectProblem(await ada.post('/chat', { project_id: newId(), message: 'Nowhere' }).set(key), 'not_found');
    await ada.post('/chat', { project_id: project.id, message: 'Here' }).set(key).expect(200);
  });

  it('can be handed over by any number of shutdowns, and is given up only after crashes', async () => {
    const second = await t.another();
    const lost = Array.from({ length: 5 }, () => t.model.hold());
    const { id } = (await begin({ project_id: project.id })).assistant_message;
    for (const gate of lost) {
      await gate.reached;
      await t.database.query(
        `update turns set lease_until = '-infinity', owner = gen_random_uuid() where message_id = $1`,
        [id],
      );
      await second.get(TurnKeeperJob).takeOver();
    }
    expect(await settled(id)).toMatchObject({ status: 'completed' });
    await second.close();
  });

  it('that was taken over renews its lease before it runs', async () => {
    const second = await t.another({ turnLeaseMs: 600 });
    const lost = t.model.hold();
    const { id } = (await begin({ project_id: project.id })).assistant_message;
    await lost.reached;
    await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where message_id = $1', [
      id,
    ]);
    // What the second instance has to read before it can go on.
    await other.query('begin; lock table prompts in access exclusive mode');
    const takeover = second.get(TurnKeeperJob).takeOver();
    await waiters(1);
    await sleep(1500);
    expect(
      await t.database.query('select attempt from turns where message_id = $1 and lease_until > now()', [id]),
    ).toEqual([{ attempt: 2 }]);
    await other.query('commit');
    await takeover;
    expect((await settled(id)).status).toBe('completed');
    await second.close();
  });

  it('that was stopped while it moved to another instance is stopped there', async () => {
    const second = await t.another();
    const lost = t.model.hold('Half');
    const { id } = (await begin({ project_id: project.id })).assistant_message;
    await lost.reached;
    // Another instance has it, and this one has not noticed yet.
    const move = (lease: string): Promise<unknown> =>
      t.database.query(
        `update turns set claim_id = gen_random_uuid(), owner = gen_random_uuid(), lease_until = now() + $2::interval where message_id = $1`,
        [id, lease],
      );
    await move('1 minute');
    let isAnswered = false;
    const stopped = ada.post(`/chat/messages/${id}/stop`).then((response) => {
      isAnswered = true;
      return response;
    });
    // Our own attempt to settle it has failed by now.
    await expectSoon(() => expect(t.app.get(TurnRunner).find(id)).toBeNull());
    await expectSoon(async () =>
      expect(
        await t.database.query('select 1 from turns where message_id = $1 and stop_requested_at is not null', [id]),
      ).toHaveLength(1),
    );
    expect(isAnswered).toBe(false);
    await move('-1 second');
    await second.get(TurnKeeperJob).takeOver();
    expect(await stopped).toMatchObject({ status: 200, body: { id, status: 'stopped' } });
    lost.release();
    await second.close();
  });

  it('that was interrupted reports its model and its usage', async () => {
    await ada.patch(`/projects/${project.id}`, { on_crash: 'keep' }).expect(200);
    const lost = t.model.hold('As far as it came');
    const { id } = (await begin({ project_id: project.id })).assistant_message;
    await lost.reached;
    await expectSoon(async () =>
      expect(await t.database.query('select 1 from turn_chunks where message_id = $1', [id])).toHaveLength(1),
    );
    await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where message_id = $1', [
      id,
    ]);
    await t.app.get(TurnKeeperJob).takeOver();
    expect(await settled(id)).toMatchObject({
      status: 'interrupted',
      content: 'As far as it came',
      provider: 'openai',
      model: 'scripted',
      usage: { output_tokens: 5, estimated: true },
    });
  });

  it('reads no more history than the model can receive', async () => {
    const { session_id } = await ada.turn({ project_id: project.id, message: 'Old and long '.repeat(100) });
    await ada.turn({ session_id, message: 'Young' });
    const small = await t.another({ contextTokens: 100 });
    const content = { content: 'New', parts: null, tokens: 1, title: '' };
    const place = { sessionId: session_id, projectId: null, parentId: undefined };
    const turn = await small
      .get(TurnStore)
      .open({ userId: ada.id }, place, content, { model: null, params: {} }, { policy: null, idempotencyKey: null });
    expect(turn.history.map(({ message: { content } }) => content)).toEqual(['You said: Young', 'Young']);
    await small.close();
  });

  it('that was being opened at the shutdown of its instance is still answered there', async () => {
    const leaving = await t.another({ shutdownGraceMs: 5000 });
    const { session_id } = await ada.turn({ project_id: project.id });
    await other.query('begin');
    await other.query('select from chat_sessions where id = $1 for update', [session_id]);
    const answer = ada
      .at(leaving.getHttpServer())
      .post('/chat', { session_id, message: 'Last' })
      .then((response) => response);
    await waiters(1);
    const closing = leaving.close();
    await sleep(100);
    await other.query('commit');
    expect(await answer).toMatchObject({ status: 200, body: { assistant_message: { content: 'You said: Last' } } });
    await closing;
  });

  it('that another instance took before its own knew that it was open calls the model once', async () => {
    const wire = await TcpProxy.start(t.database.url);
    const behind = await t.another({ databaseUrl: wire.url, turnLeaseMs: 300 });
    const there = ada.at(behind.getHttpServer());
    await there.turn({ project_id: project.id });
    const askedBefore = t.model.requests.length;
    wire.hold();
    const answer = there.turn({ project_id: project.id, message: 'Late' });
    await expectSoon(async () => {
      const expired = 'select 1 from turns where owner = $1 and lease_until < now()';
      expect(await t.database.query(expired, [behind.get(TurnClaims).owner])).toHaveLength(1);
    });
    await t.app.get(TurnKeeperJob).takeOver();
    await expectSoon(async () => expect(await t.database.query('select 1 from turns')).toEqual([]));
    wire.release();
    expect((await answer).assistant_message).toMatchObject({ content: 'You said: Late', status: 'completed' });
    expect(t.model.requests.length - askedBefore).toBe(1);
    await behind.close();
    await wire.cut();
  });

  it('is read again by all followers when notices work again', async () => {
    const second = await t.another();
    const gate = t.model.hold('Half');
    const { id } = (await begin({ project_id: project.id })).assistant_message;
    await gate.reached;
    const events = readEvents(ada.at(second.getHttpServer()).get(`/chat/messages/${id}/events`));
    // By now it looks by itself every few seconds only.
    await sleep(4500);
    await t.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name = 'parley-listen'`,
    );
    gate.release();
    await settled(id);
    const before = performance.now();
    expect((await events).at(-1)).toMatchObject({ event: 'turn.completed' });
    expect(performance.now() - before).toBeLessThan(1500);
    await second.close();
  });

  it('that lost the response of its CLOSE still reports its end', async () => {
    const wire = await TcpProxy.start(t.database.url);
    const behind = await t.another({ databaseUrl: wire.url });
    const gate = t.model.hold('All of ', 'it');
    const events = readEvents(
      ada.at(behind.getHttpServer()).post('/chat', { project_id: project.id, message: 'Go', stream: true }),
    );
    await gate.reached;
    wire.forget();
    wire.hold();
    gate.release();
    await expectSoon(() => expect(wire.sent).toContain('turn_close'));
    // The database has done it; nobody here will ever hear of that.
    await expectSoon(async () =>
      expect(
        await t.database.query('select 1 from turns where claim_id is not null and owner = $1', [
          behind.get(TurnClaims).owner,
        ]),
      ).toEqual([]),
    );
    wire.drop();
    wire.release();
    expect((await events).at(-1)).toMatchObject({
      event: 'turn.completed',
      data: { assistant_message: { content: 'All of it', status: 'completed' } },
    });
    await behind.close();
    await wire.cut();
  });
});
