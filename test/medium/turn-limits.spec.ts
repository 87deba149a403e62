import { newId } from '../../src/kernel/ids.js';
import { AppError } from '../../src/kernel/errors/app-error.js';
import type { OpenTurn } from '../../src/modules/chat/turn.js';
import { TurnStore } from '../../src/modules/chat/storage/turn-store.js';
import { TurnBucketsRepository } from '../../src/modules/limits/turn-buckets.repository.js';
import { TestUser } from '../support/as-user.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let here: TurnStore;
let there: TurnStore;
let ada: TestUser;
let projects: string[];

beforeAll(async () => {
  // These turns never run, and no job takes them over.
  t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000, usualOutputTokens: 100 });
  here = t.app.get(TurnStore);
  there = (await t.another()).get(TurnStore);
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  projects = [(await ada.project()).id, (await ada.project()).id];
});
afterAll(() => t.close());

const allow = (requests: number | null, tokens: number | null): Promise<unknown> =>
  t.database.query('update users set requests_per_minute = $2, tokens_per_minute = $3 where id = $1', [
    ada.id,
    requests,
    tokens,
  ]);
const allowProjects = (requests: number, tokens: number): Promise<unknown> =>
  t.database.query('update projects set requests_per_minute = $2, tokens_per_minute = $3 where user_id = $1', [
    ada.id,
    requests,
    tokens,
  ]);
const question = { content: 'x', parts: null, tokens: 10, title: 'x' };
const open = (store = here, projectId = projects[0] as string, cap?: number): Promise<OpenTurn> => {
  const params = cap === undefined ? {} : { max_output_tokens: cap };
  return store.open(
    { userId: ada.id },
    { projectId },
    question,
    { model: null, params },
    { policy: null, idempotencyKey: null },
  );
};
const outcome = (tokens: number) =>
  ({
    status: 'completed',
    content: 'x',
    contentTokens: 1,
    inputTokens: tokens,
    isUsageEstimated: false,
    attempts: [],
  }) as never;
const fullAt = async (unit = 'tokens'): Promise<string[]> =>
  (
    await t.database.query<{ at: string }>(
      'select full_at::text as at from turn_buckets where user_id = $1 and unit = $2 order by subject_id',
      [ada.id, unit],
    )
  ).map(({ at }) => at);
/** The number of tokens that the first bucket lacks. */
const lacking = async (): Promise<number> =>
  (
    await t.database.query<{ lacks: number }>(
      `select (extract(epoch from full_at - clock_timestamp()) / 60 * size)::float8 as lacks from turn_buckets
       where user_id = $1 and unit = 'tokens'`,
      [ada.id],
    )
  )[0]?.lacks ?? NaN;
const refused = async (opening: Promise<unknown>): Promise<AppError> => {
  const error = await opening.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({ code: 'rate_limited' });
  return error as AppError;
};

describe('buckets of turns', () => {
  it('give no more tokens than they have, for any limit, to concurrent requests on two instances', async () => {
    await allow(100, 1000);
    await allowProjects(6, 100_000);
    const start = Date.now();
    const asked = Array.from({ length: 60 }, (_, i) =>
      open(i % 2 === 0 ? here : there, projects[i % 3 === 0 ? 1 : 0], 90),
    );
    const opened = (await Promise.allSettled(asked)).flatMap((turn) =>
      turn.status === 'fulfilled' ? [turn.value] : [],
    );
    // 100 tokens each out of 1000 allow ten turns, and no project more than six, plus what refilled meanwhile.
    const seconds = (Date.now() - start) / 1000;
    expect(opened.length).toBeGreaterThanOrEqual(10);
    expect(opened.length).toBeLessThanOrEqual(10 + Math.floor(seconds / 6));
    const rows = await t.database.query<{ count: number }>(
      `select count(*)::int as count from turns t join chat_sessions s on s.user_id = t.user_id and s.id = t.session_id
       where t.user_id = $1 group by s.project_id`,
      [ada.id],
    );
    for (const { count } of rows) expect(count).toBeLessThanOrEqual(6 + Math.floor(seconds / 10));
  });

  it('do not deadlock while turns open, settle and are interrupted at once', async () => {
    await allow(10_000, 100_000_000);
    await allowProjects(10_000, 100_000_000);
    const session = (await open()).answer.sessionId;
    const interrupt = { policy: 'interrupt' as const, idempotencyKey: null };
    const request = { model: null, params: {} };
    const work = Array.from({ length: 60 }, async (_, i) => {
      const store = i % 2 === 0 ? here : there;
      const place = { sessionId: session, projectId: null, parentId: undefined };
      const turn =
        i % 3 === 0
          ? await store.open({ userId: ada.id }, place, question, request, interrupt)
          : await open(store, projects[i % 2]);
      await (i % 2 === 0 ? there : here).close(turn, outcome(50));
    });
    await Promise.all(work);
    const deadlocks = `select deadlocks::int from pg_stat_database where datname = current_database()`;
    expect(await t.database.query(deadlocks)).toEqual([{ deadlocks: 0 }]);
  });

  it('are full again after the clock was moved forward', async () => {
    await allow(1, null);
    await open();
    const { retryAfterSeconds } = await refused(open());
    expect(retryAfterSeconds).toBe(60);
    await t.database.query(`update turn_buckets set full_at = full_at - interval '59.5 seconds'`);
    expect((await refused(open())).retryAfterSeconds).toBe(1);
    await t.database.query(`update turn_buckets set full_at = full_at - interval '0.5 seconds'`);
    await open();
  });

  it('keep the usage when the limit changes: the time until they are full again', async () => {
    await allow(60, null);
    for (let i = 0; i < 30; i++) await open();
    await allow(6, null);
    expect((await open()).allowances).toMatchObject([{ limit: 6, remaining: 2 }]);
  });
});

describe('tokens taken in advance', () => {
  it('are corrected to the actual usage, up or down', async () => {
    await allow(null, 100_000);
    const turn = await open(here, projects[0], 40_000);
    expect(turn.isMetered).toBe(true);
    await here.close(turn, outcome(10_000));
    expect(await lacking()).toBeGreaterThan(5000);
    expect(await lacking()).toBeLessThanOrEqual(10_000);
    await here.close(await open(here, projects[0], 100), outcome(200_000));
    expect(await lacking()).toBeGreaterThan(190_000);
    await refused(open());
  });

  it('are corrected once, and never by an instance that has lost the claim', async () => {
    await allow(null, 100_000);
    const turn = await open();
    await t.database.query('update turns set claim_id = $2, attempt = 2 where user_id = $1', [ada.id, newId()]);
    const before = await fullAt();
    expect(await here.close(turn, outcome(90_000))).toBeNull();
    expect(await fullAt()).toEqual(before);
    const [claim] = await t.database.query<{ id: string }>('select claim_id as id from turns where user_id = $1', [
      ada.id,
    ]);
    const taken = await there.reopen({
      ...{ userId: ada.id, messageId: turn.answer.id, claimId: claim?.id as string, attempt: 2, crashes: 0 },
      ...{ request: turn.request, isStopRequested: false },
    });
    expect(await there.close(taken as OpenTurn, outcome(50_000))).not.toBeNull();
    const after = await fullAt();
    expect(after).not.toEqual(before);
    expect(await there.close(taken as OpenTurn, outcome(50_000))).toBeNull();
    expect(await fullAt()).toEqual(after);
  });

  it('are corrected in the buckets they were taken from, and in no others', async () => {
    await allow(null, 100_000);
    const turn = await open();
    await allowProjects(100, 100_000);
    await open(here, projects[0]);
    const [user, project] = await bySubject();
    await here.close(turn, outcome(50_000));
    const [userAfter, projectAfter] = await bySubject();
    expect(userAfter).not.toEqual(user);
    expect(projectAfter).toEqual(project);
  });

  const bySubject = async (): Promise<(string | undefined)[]> => {
    const rows = await t.database.query<{ subject: string; at: string }>(
      `select subject_id as subject, full_at::text as at from turn_buckets where user_id = $1 and unit = 'tokens'`,
      [ada.id],
    );
    return [ada.id, projects[0]].map((id) => rows.find(({ subject }) => subject === id)?.at);
  };

  it('need no settling when tokens are not limited', async () => {
    await allow(10, null);
    expect((await open()).isMetered).toBe(false);
  });
});

describe('the sweep', () => {
  it('removes buckets that were full for a day, but none that a running turn may need', async () => {
    await allow(10, 1000);
    await open();
    const sweep = () => t.app.get(TurnBucketsRepository).sweep();
    await t.database.query(`update turn_buckets set full_at = now() - interval '23 hours' where user_id = $1`, [
      ada.id,
    ]);
    await sweep();
    expect(await fullAt()).toHaveLength(1);
    await t.database.query(`update turn_buckets set full_at = now() - interval '25 hours' where user_id = $1`, [
      ada.id,
    ]);
    expect(await sweep()).toBeGreaterThanOrEqual(2);
    expect(await fullAt()).toHaveLength(0);
    expect((await open()).allowances).toMatchObject([{ remaining: 9 }, { limit: 1000 }]);
  });
});
