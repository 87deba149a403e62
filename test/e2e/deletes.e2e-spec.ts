import pg from 'pg';
import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { watchEvents } from '../support/watch-events.js';

let t: TestApp;
let ada: TestUser;
let project: { id: string };
/** A connection of its own, in the place of an instance that works on a turn. */
let other: pg.Client;

beforeAll(async () => {
  // Nothing looks after turns by itself, so each step is the test's.
  t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000, turnFlushMs: 600_000, databasePoolSize: 8 });
  other = new pg.Client({ connectionString: t.database.url });
  await other.connect();
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  project = await ada.project();
});
afterEach(async () => {
  t.model.always(null);
  await other.query('rollback');
});
afterAll(async () => {
  await other.end();
  await t.close();
});

/** A turn whose answer is being written until the test lets it end. */
async function running(fields: Record<string, unknown> = {}): Promise<TurnBody & { release(): void }> {
  const gate = t.model.hold('So far');
  const response = await ada.post('/chat', { project_id: project.id, message: 'Go', background: true, ...fields });
  await gate.reached;
  return { ...(response.body as TurnBody), release: gate.release };
}

/** Until so many of the server's transactions wait for a lock. */
const waiters = (count: number): Promise<unknown> =>
  expectSoon(async () =>
    expect(
      await t.database.query(
        `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      ),
    ).toHaveLength(count),
  );

const REMOVALS: [what: string, path: (turn: TurnBody) => string][] = [
  ['the session', ({ session_id }) => `/chat/sessions/${session_id}`],
  ['the project', () => `/projects/${project.id}`],
];

describe.each(REMOVALS)('%s of a running turn', (_, path) => {
  it('takes locks in the same order as settling a turn, so there is no deadlock', async () => {
    const { release, ...turn } = await running();
    const { id } = turn.assistant_message;
    await other.query('begin');
    await other.query('delete from turns where message_id = $1', [id]);
    const removal = ada.delete(path(turn)).then(({ status }) => status);
    await waiters(1);
    // What CLOSE does next: with the foreign keys' order this is a deadlock, and one of the two fails.
    await other.query(
      `update messages set status = 'failed', error_code = 'turn_interrupted', completed_at = now() where id = $1`,
      [id],
    );
    await other.query('commit');
    expect(await removal).toBe(204);
    release();
  });

  it('ends the turn: the model call is aborted, the stream ends, and the sender gets 404', async () => {
    let isAbandoned = false;
    t.model.always(async (_request, answer) => {
      answer.delta('So far');
      await answer.closed;
      isAbandoned = true;
    });
    const sender = ada.post('/chat', { project_id: project.id, message: 'Go' }).then((response) => response);
    const [turn] = await expectSoon(async () => {
      const found = await t.database.query<{ session_id: string; message_id: string }>(
        'select session_id, message_id from turns where user_id = $1',
        [ada.id],
      );
      expect(found).toHaveLength(1);
      return found;
    });
    const { session_id, message_id } = turn as { session_id: string; message_id: string };
    const follower = watchEvents(ada.get(`/chat/messages/${message_id}/events`));
    await expectSoon(() => expect(follower.text()).toBe('So far'));
    await ada.delete(path({ session_id } as TurnBody)).expect(204);
    await expectSoon(() => expect(isAbandoned).toBe(true));
    expectProblem(await sender, 'not_found');
    expect((await follower.whole).map(({ event }) => event)).toEqual(['turn.started', 'message.delta']);
    expectProblem(await ada.get(`/chat/messages/${message_id}/events?after=1.6`), 'not_found');
    expect(await t.database.query('select 1 from turns where user_id = $1', [ada.id])).toEqual([]);
  });
});

it('a session is deleted while the next turn of its queue is claimed, without a deadlock', async () => {
  const first = await running({ on_conflict: 'queue' });
  const { session_id } = first;
  const second = await ada.post('/chat', { session_id, message: 'Then', background: true, on_conflict: 'queue' });
  const { id } = (second.body as TurnBody).assistant_message;
  await other.query('begin');
  await other.query('select from turns where message_id = $1 for update', [id]);
  const removal = ada.delete(`/chat/sessions/${session_id}`).then(({ status }) => status);
  await waiters(1);
  // What claiming the next one does: refused while the first is there, it must not wait for whoever deletes that.
  await expect(other.query('update turns set is_running = true where message_id = $1', [id])).rejects.toMatchObject({
    constraint: 'uq_turns_running',
  });
  await other.query('rollback');
  expect(await removal).toBe(204);
  first.release();
});

describe('every statement that locks several turns locks them by id', () => {
  let first: { id: string; claimId: string };
  let second: { id: string; claimId: string };
  let ended: () => void;

  beforeEach(async () => {
    const turns = [await running(), await running()];
    ended = () => turns.forEach(({ release }) => release());
    // The older one is further back in the table now, so its order is not the order of ids.
    await t.database.query('update turns set created_at = now() where message_id = $1', [
      turns[0]?.assistant_message.id,
    ]);
    const rows = await t.database.query<{ id: string; claimId: string }>(
      'select message_id as id, claim_id as "claimId" from turns where user_id = $1 order by message_id',
      [ada.id],
    );
    [first, second] = rows as [typeof first, typeof second];
  });
  afterEach(() => ended());

  const claims = (): TurnClaims => t.app.get(TurnClaims);
  const text = ({ id, claimId }: typeof first): Parameters<TurnClaims['save']>[0][number] => ({
    userId: ada.id,
    messageId: id,
    claimId,
    attempt: 1,
    startOffset: 0,
    text: 'x',
    sealed: null,
  });

  it.each<[string, () => Promise<unknown>]>([
    ['saving text', () => claims().save([text(second), text(first)])],
    ['renewing leases', () => claims().renew([second.claimId, first.claimId])],
    ['deleting a project', () => ada.delete(`/projects/${project.id}`).then(({ status }) => expect(status).toBe(204))],
    // Last, because afterwards the leases are over.
    ['handing leases back', () => claims().release()],
  ])('%s', async (_, work) => {
    await other.query('begin');
    await other.query('select from turns where message_id = $1 for update', [first.id]);
    const done = work();
    await waiters(1);
    // Who waits for the first has not taken the second.
    await t.database.query('select from turns where message_id = $1 for update nowait', [second.id]);
    await other.query('rollback');
    await done;
  });
});
