import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { TurnStore } from '../../src/modules/chat/storage/turn-store.js';
import type { AppConfig } from '../../src/app-config.js';
import { type MessageBody, TestUser, type TurnBody } from './as-user.js';
import { expectSoon } from './expect-soon.js';
import { readEvents, textOf } from './read-events.js';
import type { ModelAnswer } from './scripted-model.js';
import { createTestApp, type TestApp } from './test-app.js';

/**
 * Tests of turns that are followed, stopped and taken over on other instances, however the text reaches them.
 * @param overrides of the settings, read before the first test
 * @param fields of the project in which the turns run
 */
export function itIsFollowedAnywhere(overrides: () => Partial<AppConfig>, fields: Record<string, unknown> = {}): void {
  let t: TestApp;
  /** The same user at the first and at a second instance. */
  let here: TestUser;
  let there: TestUser;
  let second: Awaited<ReturnType<TestApp['another']>>;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({ turnFlushMs: 30, turnSweepMs: 100, ...overrides() });
    second = await t.another();
    here = await TestUser.register(t);
    there = here.at(second.getHttpServer());
  });
  beforeEach(async () => {
    project = await here.project(fields);
  });
  afterEach(() => t.model.always(null));
  afterAll(() => t.close());

  const begin = async (fields: Record<string, unknown> = {}): Promise<TurnBody> =>
    (await here.post('/chat', { project_id: project.id, message: 'Go', background: true, ...fields }).expect(202))
      .body as TurnBody;

  const message = async (id: string): Promise<MessageBody> =>
    (await there.get(`/chat/messages/${id}`).expect(200)).body as MessageBody;

  const savedText = async (id: string): Promise<string> => {
    const { progress } = await t.app.get(TurnStore).readProgress({ userId: here.id }, id, { attempt: 0, offset: 0 });
    return progress?.text ?? '';
  };

  /** Simulates the death of the instance that runs the turns: its leases have expired, but it does not know. */
  const expireLeases = async (): Promise<void> =>
    void (await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where is_running'));

  it('stores the text of a running answer, and shows it on another instance before the end', async () => {
    const gate = t.model.hold('The beginning', ' and the end');
    const { id } = (await begin()).assistant_message;
    await gate.reached;
    await expectSoon(async () => expect(await savedText(id)).toBe('The beginning'));
    expect((await message(id)).status).toBe('streaming');
    const following = readEvents(there.get(`/chat/messages/${id}/events`));
    gate.release();
    const events = await following;
    expect(textOf(events)).toBe('The beginning and the end');
    expect(events.map(({ event }) => event).filter((event) => event !== 'message.delta')).toEqual([
      'turn.started',
      'turn.completed',
    ]);
    expect(await t.database.query('select 1 from turn_chunks where message_id = $1', [id])).toEqual([]);
  });

  it('resumes on another instance after any event, byte for byte, while it runs', async () => {
    const gate = t.model.hold('Grüße 👋 an alle', '.');
    const { id } = (await begin()).assistant_message;
    await gate.reached;
    await expectSoon(async () => expect(await savedText(id)).not.toBe(''));
    const whole = 'Grüße 👋 an alle.';
    const offsets = [0, 3, 6, 8, 12, whole.length - 1];
    const following = offsets.map((offset) => readEvents(there.get(`/chat/messages/${id}/events?after=1.${offset}`)));
    gate.release();
    const streams = await Promise.all(following);
    expect(streams.map(textOf)).toEqual(offsets.map((offset) => whole.slice(offset)));
    for (const events of streams) expect(events.filter(({ event }) => event?.startsWith('turn.'))).toHaveLength(1);
  });

  it('stops from another instance, before the first token and in the middle', async () => {
    for (const said of ['', 'Some text']) {
      const gate = t.model.hold(said);
      const turn = await begin();
      await gate.reached;
      if (said !== '') await expectSoon(async () => expect(await savedText(turn.assistant_message.id)).toBe(said));
      const { body } = await there.post(`/chat/messages/${turn.assistant_message.id}/stop`).expect(200);
      expect(body).toMatchObject({ status: 'stopped', content: said, usage: { estimated: true } });
      await there.post('/chat', { session_id: turn.session_id, message: 'Next' }).expect(200);
    }
  });

  it('is taken over when its instance is silent, and settles once although that instance still writes', async () => {
    const lost = t.model.hold('From the first instance', ' too late');
    t.model.next((_request, answer) => {
      answer.delta('From the second');
      answer.finish();
    });
    const {
      assistant_message: { id },
      session_id,
    } = await begin();
    await lost.reached;
    await expectSoon(async () => expect(await savedText(id)).not.toBe(''));
    const following = readEvents(there.get(`/chat/messages/${id}/events`));
    await expireLeases();
    await second.get(TurnKeeperJob).takeOver();
    const settled = await expectSoon(async () => {
      const now = await message(id);
      expect(now.status).toBe('completed');
      return now;
    });
    lost.release();
    const events = await following;
    const restart = events.findIndex(({ event }) => event === 'turn.restarted');
    expect(events[restart]?.data).toEqual({ type: 'turn.restarted', message_id: id, attempt: 2 });
    expect(textOf(events.slice(0, restart))).toBe('From the first instance');
    expect(textOf(events.slice(restart))).toBe('From the second');
    await t.app.get(TurnKeeperJob).renew();
    expect(await message(id)).toEqual(settled);
    expect(settled.content).toBe('From the second');
    const rows = await t.database.query('select 1 from messages where session_id = $1', [session_id]);
    expect(rows).toHaveLength(2);
  });

  it('tells a client to discard the text of a lost attempt', async () => {
    const lost = t.model.hold('Never saved by anybody');
    const { id } = (await begin()).assistant_message;
    await lost.reached;
    await expireLeases();
    await second.get(TurnKeeperJob).takeOver();
    await expectSoon(async () => expect((await message(id)).status).toBe('completed'));
    const events = await readEvents(here.get(`/chat/messages/${id}/events`).set('last-event-id', '1.22'));
    expect(events.map(({ event }) => event)).toEqual(['turn.restarted', 'message.delta', 'turn.completed']);
    expect(textOf(events)).toBe('You said: Go');
  });

  it('is handed over at once when its instance shuts down, and a client continues on another one', async () => {
    const leaving = await t.another({ shutdownGraceMs: 50 });
    const gate = t.model.hold('Begun', ' never');
    const { body } = await here
      .at(leaving.getHttpServer())
      .post('/chat', { project_id: project.id, message: 'Go', background: true })
      .expect(202);
    const { id } = (body as TurnBody).assistant_message;
    await gate.reached;
    await leaving.close();
    const events = await readEvents(there.get(`/chat/messages/${id}/events?after=1.5`));
    expect(events.at(0)?.event).toBe('turn.restarted');
    expect(textOf(events)).toBe('You said: Go');
    expect(events.at(-1)?.event).toBe('turn.completed');
  });
}

/** Resolves to the next answer of the model when it is called; the test decides what it says. */
export const scripted = ({ model }: TestApp): Promise<ModelAnswer> =>
  new Promise((resolve) =>
    model.next((_request, answer) => {
      resolve(answer);
      return answer.closed;
    }),
  );
