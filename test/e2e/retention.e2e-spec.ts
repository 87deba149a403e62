import { RetentionJob } from '../../src/modules/privacy/retention.job.js';
import { Retention } from '../../src/modules/privacy/public/retention.js';
import { NightlyJobs } from '../../src/platform/jobs/nightly-jobs.js';
import { TestUser, type TurnBody } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000 });
});
beforeEach(async () => {
  ada = await TestUser.register(t);
});
afterEach(async () => {
  t.model.always(null);
  await t.database.query('delete from projects where retention_days is not null');
});
afterAll(() => t.close());

const run = (app = t.app): ReturnType<Retention['run']> => app.get(Retention).run(null);

/** Moves the last activity of a session into the past, by the database's clock. */
const age = async (sessionId: string, by: string): Promise<void> =>
  void (await t.database.query(`update chat_sessions set last_active_at = now() - $2::interval where id = $1`, [
    sessionId,
    by,
  ]));

const keeps = async (user: TestUser, sessionId: string): Promise<boolean> =>
  (await user.get(`/chat/sessions/${sessionId}`)).status === 200;

const told = async (projectId: string): Promise<unknown[]> =>
  t.database.query(
    `select actor_kind as kind, facts from audit_events
     where action = 'project.retention_applied' and subject_id = $1 order by seq`,
    [projectId],
  );

/** So many empty sessions that are past their retention. */
const manyOld = async (projectId: string, count: number): Promise<void> =>
  void (await t.database.query(
    `insert into chat_sessions (user_id, id, project_id, last_active_at)
     select $1, gen_random_uuid(), $2, now() - interval '9 days' from generate_series(1, $3::int)`,
    [ada.id, projectId, count],
  ));

describe('the retention of a project', () => {
  it('is a number of days that can be set, changed and removed', async () => {
    const { id } = await ada.project({ retention_days: 1 });
    for (const retention_days of [3650, 30, null]) {
      expect((await ada.patch(`/projects/${id}`, { retention_days }).expect(200)).body).toMatchObject({
        retention_days,
      });
      expect((await ada.get(`/projects/${id}`)).body).toMatchObject({ retention_days });
    }
    for (const retention_days of [0, -1, 3651, 1.5, '30', true]) {
      expectProblem(await ada.patch(`/projects/${id}`, { retention_days }), 'validation_failed', ['/retention_days']);
      expectProblem(await ada.post('/projects', { name: 'x', retention_days }), 'validation_failed', [
        '/retention_days',
      ]);
    }
  });

  it('deletes exactly the sessions whose last turn is older, to the second', async () => {
    const { id } = await ada.project({ retention_days: 7 });
    const [old, young] = [await ada.turn({ project_id: id }), await ada.turn({ project_id: id })];
    await age(old.session_id, '7 days 1 second');
    await age(young.session_id, '6 days 23:59:00');
    expect(await run()).toMatchObject({ sessions: 1, messages: 2, projects: 1, failed: 0 });
    expect(await keeps(ada, old.session_id)).toBe(false);
    expectProblem(await ada.get(`/chat/messages/${old.assistant_message.id}`), 'not_found');
    expect(await keeps(ada, young.session_id)).toBe(true);
    expect(await run()).toMatchObject({ sessions: 0, projects: 0 });
  });

  it('also applies to archived and pinned sessions', async () => {
    const { id } = await ada.project({ retention_days: 7 });
    const sessions = [await ada.session(id), await ada.session(id)];
    await ada.patch(`/chat/sessions/${sessions[0]?.id}`, { archived: true }).expect(200);
    await ada.patch(`/chat/sessions/${sessions[1]?.id}`, { pinned: true, title: 'Keep me' }).expect(200);
    for (const session of sessions) await age(session.id, '8 days');
    expect(await run()).toMatchObject({ sessions: 2, messages: 0 });
  });

  it('deletes nothing of other users, other projects, and projects without retention', async () => {
    const eve = await TestUser.register(t);
    const others = [await ada.project(), await ada.project({ retention_days: 30 })];
    const kept = [await ada.turn({ project_id: others[0]?.id }), await ada.turn({ project_id: others[1]?.id })];
    const theirs = await eve.turn({ project_id: (await eve.project()).id });
    const { id } = await ada.project({ retention_days: 1 });
    const doomed = await ada.turn({ project_id: id });
    for (const { session_id } of [...kept, theirs, doomed]) await age(session_id, '20 days');
    const { audit_events: _a, audit_heads: _h, nightly_jobs: _n, ...before } = await rows();
    expect(await run()).toMatchObject({ sessions: 1 });
    const { audit_events: _b, audit_heads: _i, nightly_jobs: _o, ...after } = await rows();
    for (const [table, then] of Object.entries(before)) {
      expect({ table, rows: after[table] }).toEqual({
        table,
        // What was paid stays in the ledger: ids and numbers, no word.
        rows: then.filter((row) => table === 'usage_entries' || !row.includes(doomed.session_id)),
      });
    }
    const [log] = await t.database.query<{ count: number }>(
      `select count(*)::int from audit_events where user_id = $1 and action = 'project.retention_applied'`,
      [eve.id],
    );
    expect(log).toEqual({ count: 0 });
  });

  it('does not delete a session with a running or waiting turn', async () => {
    const { id } = await ada.project({ retention_days: 1, on_conflict: 'queue' });
    const gate = t.model.hold('So far', ', and done');
    const { body } = await ada.post('/chat', { project_id: id, message: 'Go', background: true }).expect(202);
    const { session_id, assistant_message } = body as TurnBody;
    await gate.reached;
    await age(session_id, '9 days');
    expect(await run()).toMatchObject({ sessions: 0 });
    gate.release();
    await ada.post('/chat', { session_id, message: 'Then' }).expect(200);
    const answer = await ada.get(`/chat/messages/${assistant_message.id}`);
    expect(answer.body).toMatchObject({ status: 'completed', content: 'So far, and done' });
    await age(session_id, '9 days');
    expect(await run()).toMatchObject({ sessions: 1, messages: 4 });
  });

  it('also deletes stored responses that contain something of the session', async () => {
    const { id } = await ada.project({ retention_days: 1 });
    const turn = await ada
      .post('/chat', { project_id: id, message: 'Once' })
      .set('idempotency-key', 'turn')
      .expect(200);
    const { session_id, assistant_message } = turn.body as TurnBody;
    await ada
      .put(`/chat/messages/${assistant_message.id}/feedback`, { rating: 'up', comment: 'A comment' })
      .set('idempotency-key', 'feedback')
      .expect(200);
    await ada.patch(`/chat/sessions/${session_id}`, { title: 'A title' }).set('idempotency-key', 'title').expect(200);
    await ada.patch('/users/me', { display_name: 'Ada' }).set('idempotency-key', 'name').expect(200);
    await age(session_id, '9 days');
    expect(await run()).toMatchObject({ sessions: 1, idempotencyKeys: 2 });
    // The answer to feedback is not kept at all, so what is left of it shows nothing.
    expect(
      await t.database.query(
        `select key, response ->> 'body' as body from idempotency_keys where user_id = $1 order by key`,
        [ada.id],
      ),
    ).toEqual([
      { key: 'feedback', body: null },
      { key: 'name', body: expect.stringContaining('Ada') as string },
    ]);
  });

  it('is recorded in the audit log once a night, with counts and without content', async () => {
    const { id } = await ada.project({ retention_days: 1 });
    for (const message of ['One', 'Two']) await age((await ada.turn({ project_id: id, message })).session_id, '2 days');
    await run();
    await run();
    expect(await told(id)).toEqual([{ kind: 'system', facts: { sessions: 2, messages: 4, idempotency_keys: 0 } }]);
  });
});

const rows = async (): Promise<Record<string, string[]>> => dump(t.database, await readTables(t.database));

describe('a run over many sessions', () => {
  it('continues after a crash, and then records the total', async () => {
    const { id } = await ada.project({ retention_days: 1 });
    await manyOld(id, 250);
    // The third transaction meets a database that is no more.
    await t.database.query(`
      create function crash() returns trigger language plpgsql as $$ begin
        if (select sessions from retention_runs) >= 200 then raise 'crash'; end if; return old;
      end $$;
      create trigger crash before delete on chat_sessions for each row execute function crash()`);
    try {
      expect(await run()).toMatchObject({ failed: 1 });
    } finally {
      await t.database.query('drop trigger crash on chat_sessions; drop function crash()');
    }
    const left = await t.database.query('select 1 from chat_sessions where project_id = $1', [id]);
    expect(left).toHaveLength(50);
    expect(await told(id)).toEqual([]);
    expect(await run()).toMatchObject({ sessions: 50, failed: 0 });
    expect(await told(id)).toEqual([{ kind: 'system', facts: { sessions: 250, messages: 0, idempotency_keys: 0 } }]);
    expect(await t.database.query('select 1 from retention_runs')).toEqual([]);
  });

  it('records what was deleted before an interruption, even when retention was removed since', async () => {
    const { id } = await ada.project();
    await t.database.query('insert into retention_runs values ($1, $2, 3, 6, 0)', [ada.id, id]);
    await manyOld(id, 1);
    expect(await run()).toMatchObject({ sessions: 0 });
    expect(await told(id)).toEqual([{ kind: 'system', facts: { sessions: 3, messages: 6, idempotency_keys: 0 } }]);
  });

  it('continues with the other projects when one fails', async () => {
    const [bad, good] = [await ada.project({ retention_days: 1 }), await ada.project({ retention_days: 1 })];
    for (const { id } of [bad, good]) await manyOld(id, 1);
    await t.database.query(
      `alter table audit_events add constraint ck_broken check (subject_id is distinct from '${bad.id}') not valid`,
    );
    try {
      expect(await run()).toMatchObject({ sessions: 1, projects: 1, failed: 1 });
    } finally {
      await t.database.query('alter table audit_events drop constraint ck_broken');
    }
    // A deletion that cannot be recorded does not happen.
    expect(await t.database.query('select project_id from chat_sessions where user_id = $1', [ada.id])).toEqual([
      { project_id: bad.id },
    ]);
    expect(await run()).toMatchObject({ sessions: 1, failed: 0 });
  });
});

describe('the nightly run', () => {
  const HOUR_NOW = new Date().getUTCHours();
  /** Far enough away for the hour to turn while the tests run. */
  const LATER_HOUR = (HOUR_NOW + 2) % 24;
  const doneAt = async (when: string): Promise<void> =>
    void (await t.database.query(
      `update nightly_jobs set done_at = ${when}, lease_until = '-infinity', run_id = null`,
    ));
  const isTaken = async (hourUtc: number): Promise<boolean> =>
    (await t.app.get(NightlyJobs).run('retention', hourUtc, () => Promise.resolve(true))) ?? false;

  it('runs once from its hour on, by the database’s clock', async () => {
    await doneAt(`now() - interval '1 day'`);
    expect(await isTaken(HOUR_NOW)).toBe(true);
    expect(await isTaken(HOUR_NOW)).toBe(false);
    await doneAt(`now() - interval '20 hours'`);
    expect(await isTaken(LATER_HOUR)).toBe(false);
  });

  it('is made up after a missed night', async () => {
    await doneAt(`now() - interval '2 days'`);
    expect(await isTaken(LATER_HOUR)).toBe(true);
  });

  it('runs on one of two instances that check at once', async () => {
    const other = await t.another();
    const { id } = await ada.project({ retention_days: 1 });
    await manyOld(id, 150);
    await doneAt(`now() - interval '2 days'`);
    await Promise.all([t.app, other].map((app) => app.get(RetentionJob).look()));
    expect(await told(id)).toHaveLength(1);
    // However long it takes, the other one asks in vain.
    const second = await t.app.get(NightlyJobs).run('retention', null, () => run(other));
    expect(second).toBeNull();
  });

  it('is taken over from a silent instance, which then does no further step', async () => {
    const outcome = await t.app.get(NightlyJobs).run('retention', null, async ({ renew }) => {
      expect(await renew()).toBe(true);
      expect(await run()).toBeNull();
      await t.database.query(`update nightly_jobs set lease_until = now() - interval '1 second'`);
      expect(await run()).not.toBeNull();
      return renew();
    });
    expect(outcome).toBe(false);
  });

  it('passes to another instance after the current step when an instance shuts down', async () => {
    const leaving = await t.another();
    await doneAt(`now() - interval '2 days'`);
    let closing: Promise<void> | undefined;
    await leaving.get(NightlyJobs).run('retention', HOUR_NOW, async ({ renew }) => {
      closing = leaving.close();
      await expectSoon(async () => expect(await renew()).toBe(false));
    });
    await closing;
    expect(await isTaken(HOUR_NOW)).toBe(true);
  });
});
