import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { readEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

describe('a turn on several instances', () => {
  let t: TestApp;
  /** The same user at the first and at a second instance. */
  let here: TestUser;
  let there: TestUser;
  let second: Awaited<ReturnType<TestApp['another']>>;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({ turnFlushMs: 30, turnSweepMs: 100 });
    second = await t.another();
    here = await TestUser.register(t);
    there = here.at(second.getHttpServer());
  });
  beforeEach(async () => {
    project = await here.project();
  });
  afterEach(() => t.model.always(null));
  afterAll(() => t.close());

  const begin = async (fields: Record<string, unknown> = {}): Promise<TurnBody> =>
    (await here.post('/chat', { project_id: project.id, message: 'Go', background: true, ...fields }).expect(202))
      .body as TurnBody;

  const message = async (id: string): Promise<MessageBody> =>
    (await there.get(`/chat/messages/${id}`).expect(200)).body as MessageBody;

  const savedText = async (id: string): Promise<string> =>
    (
      await t.database.query<{ text: string }>(
        'select text from turn_chunks where message_id = $1 order by start_offset',
        [id],
      )
    )
      .map(({ text }) => text)
      .join('');

  /** As if the instance that runs the turns had died: its lease is over, though it does not know. */
  const expireLeases = async (): Promise<void> =>
    void (await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where is_running'));

  it('keeps the saved text if the project is set to keep it', async () => {
    await here.patch(`/projects/${project.id}`, { on_crash: 'keep' }).expect(200);
    const lost = t.model.hold('As far as it came');
    const { id } = (await begin()).assistant_message;
    await lost.reached;
    await expectSoon(async () => expect(await savedText(id)).toBe('As far as it came'));
    await expireLeases();
    await second.get(TurnKeeperJob).takeOver();
    // The sweep of the other instance may have come first, and may still be settling the turn.
    await expectSoon(async () =>
      expect(await message(id)).toMatchObject({
        status: 'interrupted',
        content: 'As far as it came',
        error: { code: 'turn_interrupted' },
      }),
    );
  });

  it('saves a piece of text once, even when the first response of the database was lost', async () => {
    const gate = t.model.hold('');
    const { id } = (await begin()).assistant_message;
    await gate.reached;
    const [claim] = await t.database.query<{ claim_id: string }>('select claim_id from turns where message_id = $1', [
      id,
    ]);
    const piece = {
      userId: here.id,
      messageId: id,
      claimId: claim?.claim_id as string,
      attempt: 1,
      startOffset: 0,
      text: 'A piece',
      sealed: null,
    };
    const claims = t.app.get(TurnClaims);
    expect([await claims.save([piece]), await claims.save([piece])]).toEqual([new Set([id]), new Set([id])]);
    expect(await savedText(id)).toBe('A piece');
    gate.release();
  });

  it('is not kept alive by an instance that does not know of its claim', async () => {
    const gate = t.model.hold('Known');
    const known = (await begin()).assistant_message.id;
    await gate.reached;
    const lost = t.model.hold();
    const unknown = (await begin()).assistant_message.id;
    await lost.reached;
    // As if the answer to OPEN had been lost with its connection: the claim stands, and nobody here runs it.
    await t.database.query(
      `update turns set claim_id = gen_random_uuid(), lease_until = now() + interval '500 milliseconds' where message_id = $1`,
      [unknown],
    );
    const leaseOf = async (id: string): Promise<Date | undefined> =>
      (await t.database.query<{ lease_until: Date }>('select lease_until from turns where message_id = $1', [id]))[0]
        ?.lease_until;
    const before = { known: await leaseOf(known), unknown: await leaseOf(unknown) };
    await t.app.get(TurnKeeperJob).renew();
    expect((await leaseOf(known))?.getTime()).toBeGreaterThan(before.known?.getTime() as number);
    expect(await leaseOf(unknown)).toEqual(before.unknown);
    gate.release();
    lost.release();
    await expectSoon(async () => expect((await message(unknown)).status).toBe('completed'));
  });

  it('is given up after three attempts', async () => {
    const asked = t.model.requests.length;
    t.model.always((_request, answer) => answer.closed);
    const { id } = (await begin()).assistant_message;
    for (let attempt = 1; attempt <= 3; attempt++) {
      await expireLeases();
      await second.get(TurnKeeperJob).takeOver();
      await expectSoon(async () =>
        expect(
          await t.database.query('select 1 from turns where message_id = $1 and lease_until <= now()', [id]),
        ).toEqual([]),
      );
    }
    // Who gives it up claims it first and settles it then.
    await expectSoon(async () =>
      expect(await message(id)).toMatchObject({ status: 'interrupted', error: { code: 'turn_interrupted' } }),
    );
    await expectSoon(() => expect(t.model.requests.length).toBe(asked + 3));
  });

  describe('when another turn runs in its session', () => {
    it('waits in the queue, in order, on any instance', async () => {
      const gate = t.model.hold('First');
      const { session_id } = await begin({ message: 'One' });
      await gate.reached;
      const waiting: string[] = [];
      for (const [index, user] of [here, there, here].entries()) {
        const { body } = await user
          .post('/chat', { session_id, message: `Queued ${index}`, on_conflict: 'queue', background: true })
          .expect(202);
        waiting.push((body as TurnBody).assistant_message.id);
      }
      expect((await message(waiting[0] as string)).status).toBe('pending');
      gate.release();
      await expectSoon(async () => expect((await message(waiting[2] as string)).status).toBe('completed'));
      expect(t.model.requests.slice(-3).map(({ messages }) => messages.at(-1)?.content)).toEqual([
        'Queued 0',
        'Queued 1',
        'Queued 2',
      ]);
      expect(t.model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
        'One',
        'First',
        'Queued 0',
        'You said: Queued 0',
        'Queued 1',
        'You said: Queued 1',
        'Queued 2',
      ]);
    });

    it('answers a queued request in its own response, streamed or not', async () => {
      const gate = t.model.hold('First');
      const { session_id } = await begin({ message: 'One' });
      await gate.reached;
      const plain = there
        .post('/chat', { session_id, message: 'Plain', on_conflict: 'queue' })
        .then((response) => response);
      await expectSoon(async () =>
        expect(await t.database.query('select 1 from turns where session_id = $1', [session_id])).toHaveLength(2),
      );
      const streamed = readEvents(
        here.post('/chat', { session_id, message: 'Streamed', on_conflict: 'queue', stream: true }),
      );
      await expectSoon(async () =>
        expect(await t.database.query('select 1 from turns where session_id = $1', [session_id])).toHaveLength(3),
      );
      gate.release();
      expect(((await plain).body as TurnBody).assistant_message.content).toBe('You said: Plain');
      expect(textOf(await streamed)).toBe('You said: Streamed');
    });

    it('continues the queue after an instance died between two turns', async () => {
      const gate = t.model.hold('First');
      const { session_id } = await begin({ message: 'One' });
      await gate.reached;
      const { body } = await here
        .post('/chat', { session_id, message: 'Stranded', on_conflict: 'queue', background: true })
        .expect(202);
      await t.database.query('delete from turns where session_id = $1 and is_running', [session_id]);
      await second.get(TurnKeeperJob).takeOver();
      await expectSoon(async () =>
        expect((await message((body as TurnBody).assistant_message.id)).status).toBe('completed'),
      );
      gate.release();
    });

    it('can be stopped while it waits, and the queue continues without it', async () => {
      const gate = t.model.hold('First');
      const { session_id } = await begin({ message: 'One' });
      await gate.reached;
      const { body } = await there
        .post('/chat', { session_id, message: 'Waiting', on_conflict: 'queue', background: true })
        .expect(202);
      const asked = t.model.requests.length;
      const stopped = (await here.post(`/chat/messages/${(body as TurnBody).assistant_message.id}/stop`).expect(200))
        .body as MessageBody;
      expect(stopped).toMatchObject({ status: 'stopped', content: '' });
      gate.release();
      await here.post('/chat', { session_id, message: 'After', on_conflict: 'queue' }).expect(200);
      expect(t.model.requests.length).toBe(asked + 1);
    });

    it('interrupts: the running answer keeps its text so far, and this turn starts', async () => {
      const gate = t.model.hold('Interrupted here');
      const { session_id, assistant_message } = await begin({ message: 'One' });
      await gate.reached;
      const { body } = await there
        .post('/chat', { session_id, message: 'Instead', on_conflict: 'interrupt' })
        .expect(200);
      expect((body as TurnBody).assistant_message.content).toBe('You said: Instead');
      expect(await message(assistant_message.id)).toMatchObject({ status: 'stopped', content: 'Interrupted here' });
      expect(t.model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
        'One',
        'Interrupted here',
        'Instead',
      ]);
    });

    it('follows the policy of the request, or else of the project', async () => {
      await here.patch(`/projects/${project.id}`, { on_conflict: 'queue' }).expect(200);
      const gate = t.model.hold('First');
      const { session_id } = await begin({ message: 'One' });
      await gate.reached;
      expectProblem(
        await there.post('/chat', { session_id, message: 'No', on_conflict: 'reject' }),
        'turn_in_progress',
      );
      const { body } = await there.post('/chat', { session_id, message: 'Later', background: true }).expect(202);
      gate.release();
      await expectSoon(async () =>
        expect((await message((body as TurnBody).assistant_message.id)).status).toBe('completed'),
      );
    });

    it('accepts exactly one of twenty concurrent messages, and queues twenty in order', async () => {
      const { session_id } = await here.turn({ project_id: project.id });
      const gate = t.model.hold('Only one');
      const sends = Array.from({ length: 20 }, (_, i) =>
        (i % 2 ? here : there).post('/chat', { session_id, message: `n${i}`, background: true }),
      );
      const statuses = (await Promise.all(sends)).map(({ status }) => status).sort();
      expect(statuses).toEqual([202, ...Array.from({ length: 19 }, () => 409)]);
      await gate.reached;
      const queued = await Promise.all(
        Array.from({ length: 20 }, (_, i) =>
          (i % 2 ? here : there).post('/chat', {
            session_id,
            message: `q${i}`,
            background: true,
            on_conflict: 'queue',
          }),
        ),
      );
      expect(queued.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 202));
      gate.release();
      await expectSoon(async () =>
        expect(await t.database.query('select 1 from turns where session_id = $1', [session_id])).toEqual([]),
      );
      const rows = await t.database.query<{ seq: number; status: string }>(
        'select seq, status from messages where session_id = $1 order by seq',
        [session_id],
      );
      expect(rows.map(({ seq }) => seq)).toEqual(Array.from({ length: 44 }, (_, i) => i + 1));
      expect(new Set(rows.map(({ status }) => status))).toEqual(new Set(['completed']));
    });
  });
});
