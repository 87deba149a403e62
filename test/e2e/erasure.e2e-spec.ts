import pg from 'pg';
import request, { type Response } from 'supertest';
import { PASSWORD, TestUser, type TurnBody } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** What everything that the user says has in it. */
const CANARY = 'canary-7b1f';
/** The only tables in which an id outlives its account, and why. */
const KEEPS_THE_ID: Record<string, string> = {
  audit_events: 'what happened to an account must be provable after its end; ids and times, no content',
  audit_heads: 'the end of that chain',
  revocations: 'its tokens have to be refused until they expire by themselves',
};

let t: TestApp;
let ada: TestUser;
/** A connection of its own, in the place of an instance that works on the account. */
let other: pg.Client;

beforeAll(async () => {
  t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000, turnFlushMs: 600_000 });
  other = new pg.Client({ connectionString: t.database.url });
  await other.connect();
});
beforeEach(async () => {
  ada = await TestUser.register(t, `${CANARY}-${Math.random().toString(36).slice(2)}@example.com`);
});
afterEach(async () => {
  t.model.always(null);
  await other.query('rollback');
});
afterAll(async () => {
  await other.end();
  await t.close();
});

const everything = async (): Promise<Record<string, string[]>> => dump(t.database, await readTables(t.database));

async function running(): Promise<TurnBody & { release(): void }> {
  const { id } = await ada.project({ name: CANARY });
  const gate = t.model.hold(`So far ${CANARY}`);
  const { body } = await ada.post('/chat', { project_id: id, message: CANARY, background: true }).expect(202);
  await gate.reached;
  return { ...(body as TurnBody), release: gate.release };
}

async function receiptOf(response: Response): Promise<Record<string, unknown>> {
  const path = response.headers['erasure-receipt'] as string;
  expect(path).toMatch(/^\/erasure-receipts\/[0-9a-f-]{36}$/);
  // Nobody is signed in who could ask.
  return (await request(t.server).get(path).expect(200)).body as Record<string, unknown>;
}

describe('erasing an account', () => {
  it('needs the correct password; otherwise nothing is deleted', async () => {
    await ada.project();
    expectProblem(await ada.delete('/users/me'), 'validation_failed', ['/password']);
    expectProblem(await ada.erase('not the password'), 'validation_failed', ['/password']);
    expect((await ada.get('/projects').expect(200)).body).toMatchObject({ data: [{ name: 'Project' }] });
    await ada.erase(PASSWORD).expect(204);
  });

  it('leaves no text of the user in any table, and her id only in the documented places', async () => {
    const { release, ...turn } = await running();
    const { id } = await ada.project({ name: CANARY });
    await ada.prompt(id, CANARY);
    await ada.patch('/users/me', { display_name: CANARY }).set('idempotency-key', CANARY).expect(200);
    await t.database.query('insert into turn_chunks values ($1, $2, 1, 0, $3)', [
      ada.id,
      turn.assistant_message.id,
      CANARY,
    ]);
    const before = Object.entries(await everything()).filter(([, rows]) => rows.some((row) => row.includes(CANARY)));
    expect(before.map(([table]) => table)).toEqual(
      expect.arrayContaining(['users', 'projects', 'prompts', 'messages', 'turn_chunks', 'idempotency_keys']),
    );
    await ada.erase().expect(204);
    release();
    for (const [table, rows] of Object.entries(await everything())) {
      const words = rows.filter((row) => row.includes(CANARY));
      const ids = rows.filter((row) => row.includes(ada.id) && !(table in KEEPS_THE_ID));
      expect({ table, words, ids }).toEqual({ table, words: [], ids: [] });
    }
  });

  it('returns a receipt that lists what was deleted, refers to the audit log, and identifies nobody', async () => {
    const { release } = await running();
    const receipt = await receiptOf(await ada.erase().expect(204));
    release();
    expect(receipt).toMatchObject({
      counts: { users: 1, projects: 1, chat_sessions: 1, messages: 2, turns: 1, sign_ins: 1 },
      is_authentic: true,
    });
    const [last] = await t.database.query<{ action: string; subject_id: string; seq: number; hash: string }>(
      `select action, subject_id, seq, encode(hash, 'hex') as hash from audit_events where user_id = $1 order by seq desc`,
      [ada.id],
    );
    expect(last).toEqual({
      action: 'account.deleted',
      subject_id: receipt.id,
      seq: receipt.audit_seq,
      hash: receipt.audit_hash,
    });
    expect(JSON.stringify(receipt)).not.toContain(ada.id);
    expect(JSON.stringify(receipt)).not.toContain(CANARY);
  });

  it('returns a receipt whose forgery is detected', async () => {
    const response = await ada.erase().expect(204);
    const { id } = await receiptOf(response);
    await t.database.query(`update erasure_receipts set counts = counts || '{"users": 2}' where id = $1`, [id]);
    expect(await receiptOf(response)).toMatchObject({ is_authentic: false });
  });

  it('is all or nothing: if the receipt fails, nothing is deleted and the tokens still work', async () => {
    await ada.turn({ project_id: (await ada.project()).id });
    const before = await everything();
    await t.database.query('alter table erasure_receipts add constraint ck_test check (false) not valid');
    try {
      expectProblem(await ada.erase(), 'internal_error');
    } finally {
      await t.database.query('alter table erasure_receipts drop constraint ck_test');
    }
    const { rate_limits: _now, ...after } = await everything();
    const { rate_limits: _then, ...then } = before;
    expect(after).toEqual(then);
    await ada.get('/users/me').expect(200);
  });

  it('happens once for two concurrent requests', async () => {
    const answers = await Promise.all([ada.erase(), ada.erase()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([204, 401]);
    expect(
      await t.database.query(`select 1 from audit_events where user_id = $1 and action = 'account.deleted'`, [ada.id]),
    ).toHaveLength(1);
  });
});

describe('erasing an account with work in progress', () => {
  const waits = (): Promise<unknown> =>
    expectSoon(async () =>
      expect(
        await t.database.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        ),
      ).not.toEqual([]),
    );

  it('takes locks in the same order as settling a turn, so there is no deadlock', async () => {
    const { release, ...turn } = await running();
    const { id } = turn.assistant_message;
    await other.query('begin');
    await other.query('delete from turns where message_id = $1', [id]);
    const erased = ada.erase().then(({ status }) => status);
    await waits();
    await other.query(
      `update messages set status = 'failed', error_code = 'turn_interrupted', completed_at = now() where id = $1`,
      [id],
    );
    await other.query('commit');
    expect(await erased).toBe(204);
    release();
  });

  it('does not deadlock with a write that locks a session and then stores its Idempotency-Key', async () => {
    const { id } = await ada.session((await ada.project()).id);
    await other.query('begin');
    await other.query('select from chat_sessions where id = $1 for update', [id]);
    const erased = ada.erase().then(({ status }) => status);
    await waits();
    // The foreign key wants the user's row, which the erasure has; it must not want the session in turn for long.
    await other.query(
      `insert into idempotency_keys (user_id, route, key, request_hash) values ($1, 'PATCH x', 'k', '')`,
      [ada.id],
    );
    await other.query('commit');
    expect(await erased).toBe(204);
  });
});
