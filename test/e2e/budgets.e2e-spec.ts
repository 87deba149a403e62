import { jest } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Response } from 'supertest';
import type { Generation } from '../../src/modules/llm/public/llm-provider.js';
import { SideCalls } from '../../src/modules/chat/context/side-calls.js';
import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { driftOf, entriesOf, setPrice } from '../support/ledger.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const TOKENS = 100;
const DAY_MS = 86_400_000;

let t: TestApp;
let second: NestFastifyApplication;
let ada: TestUser;
let project: { id: string };

beforeAll(async () => {
  t = await createTestApp({ turnFlushMs: 30, turnSweepMs: 600_000 });
  second = await t.another();
  // A micro-dollar for a token that is said; what is asked is free, so that a turn costs what a test says.
  await setPrice(t);
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  project = await ada.project({ params: { max_output_tokens: TOKENS } });
  saying(TOKENS);
});
afterEach(async () => {
  t.model.always(null);
  expect(await driftOf(t)).toEqual([]);
});
afterAll(() => t.close());

/** Every answer has so many tokens from now on. */
const saying = (tokens: number): void =>
  t.model.always((_request, answer) => {
    answer.delta('Words');
    answer.finish('stop', { usage: { prompt_tokens: 10, completion_tokens: tokens } });
  });

type Limits = { day_limit_micro_usd: number | null; month_limit_micro_usd: number | null };
const limits = (day: number | null, month: number | null = null): Limits => ({
  day_limit_micro_usd: day,
  month_limit_micro_usd: month,
});
const limit = (day: number | null, month: number | null = null) =>
  ada.put('/users/me/budget', limits(day, month)).expect(200);

interface Budget {
  day: { limit_micro_usd: number | null; cap_micro_usd: number | null; spent_micro_usd: number; renews_at: string };
  month: Budget['day'];
  reserved_micro_usd: number;
}
const budget = async (path = '/users/me/budget'): Promise<Budget> => (await ada.get(path).expect(200)).body as Budget;
const used = async (): Promise<[spent: number, reserved: number]> => {
  const { day, reserved_micro_usd } = await budget();
  return [day.spent_micro_usd, reserved_micro_usd];
};

const send = (fields: object = {}, user = ada) =>
  user.post('/chat', { project_id: project.id, message: 'Go', ...fields });
const begin = async (fields: object = {}): Promise<TurnBody> =>
  (await send({ background: true, ...fields }).expect(202)).body as TurnBody;

const spentInLedger = async (): Promise<number> =>
  (await entriesOf(t, ada)).reduce((sum, { cost_micro_usd }) => sum + (cost_micro_usd ?? 0), 0);

describe('a hundred concurrent turns on two instances', () => {
  const storm = async (): Promise<Response[]> =>
    Promise.all(Array.from({ length: 100 }, (_, i) => send({}, i % 2 === 0 ? ada : ada.at(second.getHttpServer()))));
  const statuses = (responses: Response[]): Record<string, number> =>
    Object.fromEntries([200, 402].map((status) => [status, responses.filter((one) => one.status === status).length]));

  it('cannot overspend: a budget for ten turns lets ten through', async () => {
    await limit(10 * TOKENS);
    const responses = await storm();
    expect(statuses(responses)).toEqual({ 200: 10, 402: 90 });
    expectProblem(responses.find(({ status }) => status === 402) as Response, 'quota_exceeded');
    expect(await used()).toEqual([10 * TOKENS, 0]);
    expect(await spentInLedger()).toBe(10 * TOKENS);
  });

  it('never settle above the budget when they cost less than the worst case', async () => {
    await limit(10 * TOKENS);
    saying(70);
    const done = statuses(await storm())[200] as number;
    expect(done).toBeGreaterThanOrEqual(10);
    expect(await used()).toEqual([done * 70, 0]);
    expect(done * 70).toBeLessThanOrEqual(10 * TOKENS);
  });

  it('are limited by the budget of the project or of the account, whichever is smaller', async () => {
    await limit(10 * TOKENS);
    await ada.put(`/projects/${project.id}/budget`, limits(null, 5 * TOKENS)).expect(200);
    expect(statuses(await storm())).toEqual({ 200: 5, 402: 95 });
    const other = await ada.project({ params: { max_output_tokens: TOKENS } });
    const rest = await Promise.all(Array.from({ length: 10 }, () => send({ project_id: other.id })));
    expect(statuses(rest)).toEqual({ 200: 5, 402: 5 });
  });
});

describe('the reservation of a turn', () => {
  beforeEach(async () => void (await limit(TOKENS)));

  it('is held while the turn runs, and settled with the actual cost', async () => {
    const gate = t.model.hold('Ten chars.');
    const { id } = (await begin()).assistant_message;
    await gate.reached;
    expect(await used()).toEqual([0, TOKENS]);
    expectProblem(await send(), 'quota_exceeded');
    gate.release();
    await expectSoon(async () => expect(await used()).toEqual([10, 0]));
    expect((await ada.get(`/chat/messages/${id}`)).body).toMatchObject({ cost_micro_usd: 10 });
  });

  it('is released when the turn is stopped, except for the text that was written', async () => {
    const gate = t.model.hold('As far as it came');
    const { id } = (await begin()).assistant_message;
    await gate.reached;
    await expectSoon(async () =>
      expect(await t.database.query('select 1 from turn_chunks where message_id = $1', [id])).toHaveLength(1),
    );
    await ada.post(`/chat/messages/${id}/stop`).expect(200);
    expect(await used()).toEqual([5, 0]);
  });

  it('is released when the provider fails', async () => {
    t.model.next((_request, answer) => answer.refuse(400));
    expectProblem(await send(), 'provider_rejected');
    expect(await used()).toEqual([0, 0]);
    await send().expect(200);
  });

  it('is kept through a takeover, and settled once with the usage of both instances', async () => {
    const lost = t.model.hold('Lost words', ' too late');
    const { id } = (await begin()).assistant_message;
    await lost.reached;
    await expectSoon(async () =>
      expect(await t.database.query('select 1 from turn_chunks where message_id = $1', [id])).toHaveLength(1),
    );
    const found = t.model.hold('Found');
    await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where message_id = $1', [
      id,
    ]);
    await second.get(TurnKeeperJob).takeOver();
    await found.reached;
    expect(await used()).toEqual([0, TOKENS]);
    found.release();
    await expectSoon(async () => expect(await used()).toEqual([7, 0]));
    lost.release();
    await t.app.get(TurnKeeperJob).renew();
    expect(await used()).toEqual([7, 0]);
  });

  it('is released when its session is deleted, and the text that was written is charged', async () => {
    const gate = t.model.hold('As far as it came');
    const { session_id, assistant_message } = await begin();
    await gate.reached;
    await expectSoon(async () =>
      expect(
        await t.database.query('select 1 from turn_chunks where message_id = $1', [assistant_message.id]),
      ).toHaveLength(1),
    );
    await ada.delete(`/chat/sessions/${session_id}`).expect(204);
    expect((await used())[1]).toBe(0);
    await t.app.get(TurnKeeperJob).renew();
    await expectSoon(async () => expect(await used()).toEqual([5, 0]));
  });

  it('covers the most expensive fallback', async () => {
    await setPrice(t, { model: 'dear', output: 3 });
    const fallbacks = [{ provider: 'openai', model: 'dear' }];
    const { id } = await ada.project({ params: { max_output_tokens: TOKENS }, fallbacks });
    expectProblem(await send({ project_id: id }), 'quota_exceeded');
    await limit(3 * TOKENS);
    const gate = t.model.hold('x');
    await begin({ project_id: id });
    await gate.reached;
    expect((await used())[1]).toBe(3 * TOKENS);
    gate.release();
  });

  it('is not made when the turn is refused, which leaves nothing behind', async () => {
    await limit(TOKENS - 1);
    expectProblem(await send(), 'quota_exceeded');
    expect(await used()).toEqual([0, 0]);
    expect(await t.database.query('select 1 from messages where user_id = $1', [ada.id])).toEqual([]);
    expect(t.model.requests.filter(({ messages }) => JSON.stringify(messages).includes(ada.id))).toEqual([]);
  });

  it('covers everything that is sent to the model, and no more', async () => {
    await setPrice(t, { model: 'by-input', input: 1, output: 0 });
    await limit(100_000);
    await ada.prompt(project.id, 'word '.repeat(50).trim());
    const { session_id } = (await send({ message: 'word '.repeat(20).trim() }).expect(200)).body as TurnBody;
    const gate = t.model.hold();
    await begin({ session_id, message: 'One', model: 'by-input' });
    await gate.reached;
    // 50 + 20 + 1 ("Words") + 1, with 4 for each of the four messages and 3 for the answer.
    expect((await used())[1]).toBe(72 + 16 + 3);
    // What will have been said when its time comes is not known.
    await begin({ session_id, message: 'Two', model: 'by-input', on_conflict: 'queue' });
    expect((await used())[1]).toBe(91 + t.config.contextTokens);
    gate.release();
    await expectSoon(async () => expect((await used())[1]).toBe(0));
  });
});

describe('a refusal', () => {
  const refusal = async (): Promise<Response> => send();

  it('names the budget and the period, and says when the next period begins', async () => {
    await limit(150, 1000);
    await send().expect(200);
    const response = await refusal();
    const tomorrow = new Date(Math.floor(Date.now() / DAY_MS) * DAY_MS + DAY_MS);
    expect(response.body).toMatchObject({ budget: 'account', period: 'day', renews_at: tomorrow.toISOString() });
    const seconds = Number(response.headers['retry-after']);
    expect(Math.abs(seconds * 1000 - (tomorrow.getTime() - Date.now()))).toBeLessThan(60_000);
  });

  it('also covers the month and the project', async () => {
    await ada.put(`/projects/${project.id}/budget`, limits(1000, 150)).expect(200);
    await send().expect(200);
    expect((await refusal()).body).toMatchObject({ budget: 'project', period: 'month' });
  });

  it('suggests a soon retry when only running turns are in the way, and none when the turn is too large by itself', async () => {
    await limit(150);
    const gate = t.model.hold('x');
    await begin();
    await gate.reached;
    expect((await refusal()).headers['retry-after']).toBe('10');
    gate.release();
    const tooLarge = await send({ params: { max_output_tokens: 200 } });
    expectProblem(tooLarge, 'quota_exceeded');
    expect(tooLarge.headers['retry-after']).toBeUndefined();
  });

  it('leaves the Idempotency-Key unused', async () => {
    await limit(50);
    expectProblem(await send().set('idempotency-key', 'k'), 'quota_exceeded');
    await limit(null);
    await send().set('idempotency-key', 'k').expect(200);
  });
});

describe('a model without a price', () => {
  it('is refused only where a budget applies', async () => {
    await send({ model: 'unheard-of' }).expect(200);
    await limit(1000);
    expectProblem(await send({ model: 'unheard-of' }), 'price_unknown');
    await limit(null, null);
    await send({ model: 'unheard-of' }).expect(200);
  });

  it('is allowed if configured, and then costs nothing', async () => {
    const lenient = await t.another({ budgetUnpricedModels: 'allow' });
    await limit(1000);
    await send({ model: 'unheard-of' }, ada.at(lenient.getHttpServer())).expect(200);
    expect(await used()).toEqual([0, 0]);
    await lenient.close();
  });
});

describe('a server whose model answers under another name', () => {
  it('is charged by the price of the requested model, until turns are refused', async () => {
    await limit(5 * TOKENS);
    t.model.always((_request, answer) => {
      answer.answersAs('/models/llama-3.gguf');
      answer.delta('Words');
      answer.finish('stop', { usage: { prompt_tokens: 10, completion_tokens: TOKENS } });
    });
    const statuses: number[] = [];
    for (let turn = 0; turn < 7; turn++) statuses.push((await send()).status);
    expect(statuses).toEqual([200, 200, 200, 200, 200, 402, 402]);
    expect(await used()).toEqual([5 * TOKENS, 0]);
  });
});

describe('an answer without a limit of its own', () => {
  it('is requested with the reserved maximum where a budget applies, also after a takeover', async () => {
    const free = await ada.project();
    await send({ project_id: free.id }).expect(200);
    expect(t.model.requests.at(-1)?.max_tokens).toBeUndefined();
    await limit(1_000_000);
    const lost = t.model.hold('x');
    const { id } = (await begin({ project_id: free.id })).assistant_message;
    await lost.reached;
    expect(t.model.requests.at(-1)?.max_tokens).toBe(t.config.budgetOutputTokens);
    expect((await used())[1]).toBe(t.config.budgetOutputTokens);
    await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where message_id = $1', [
      id,
    ]);
    await second.get(TurnKeeperJob).takeOver();
    await expectSoon(async () => expect((await used())[1]).toBe(0));
    expect(t.model.requests.at(-1)?.max_tokens).toBe(t.config.budgetOutputTokens);
    lost.release();
  });
});

describe('the warning', () => {
  it('is sent from 80 % on, with every kind of response', async () => {
    await limit(10 * TOKENS);
    saying(70 * 10);
    expect((await send().expect(200)).headers['parley-budget-warning']).toBeUndefined();
    saying(0);
    const warning = `account;period=day;used=800;limit=1000`;
    for (const fields of [{}, { stream: true }, { background: true }]) {
      await expectSoon(async () => expect((await used())[1]).toBe(0));
      expect((await send(fields)).headers['parley-budget-warning']).toBe(warning);
    }
  });
});

describe('a new budget', () => {
  it('starts with the amount spent so far, and a lower limit refuses at once', async () => {
    await send().expect(200);
    await limit(150);
    expect(await used()).toEqual([TOKENS, 0]);
    expectProblem(await send(), 'quota_exceeded');
  });

  it('misses no cost that settles while the budget is created', async () => {
    const turns = Array.from({ length: 30 }, () => send());
    const puts = [1, 2, 3].map(() => ada.put('/users/me/budget', limits(1_000_000)));
    const ofProject = ada.put(`/projects/${project.id}/budget`, limits(1_000_000));
    await Promise.all([...turns, ...puts, ofProject]);
    expect(await used()).toEqual([30 * TOKENS, 0]);
  });

  it('starts at zero with each day and month', async () => {
    await limit(150, 250);
    await send().expect(200);
    const back = (column: string, interval: string): Promise<unknown> =>
      t.database.query(`update budgets set ${column} = (${column} - interval '${interval}')::date where user_id = $1`, [
        ada.id,
      ]);
    await back('day', '1 day');
    await send().expect(200);
    expectProblem(await send(), 'quota_exceeded');
    await back('day', '1 day');
    expect((await send()).body).toMatchObject({ period: 'month' });
    await back('month', '1 month');
    await send().expect(200);
    const [row] = await t.database.query<object>(
      'select day_spent_micro_usd::int as day, month_spent_micro_usd::int as month from budgets where user_id = $1',
      [ada.id],
    );
    expect(row).toEqual({ day: 100, month: 100 });
    // The ledger knows nothing of the time that this test has made up.
    await t.database.query('delete from budgets where user_id = $1', [ada.id]);
  });

  it('adds no work where there is no budget: nothing is reserved', async () => {
    const gate = t.model.hold('x');
    await begin();
    await gate.reached;
    expect(await t.database.query('select 1 from budget_reservations where user_id = $1', [ada.id])).toEqual([]);
    gate.release();
  });
});

describe('the name of a session', () => {
  /** The most that a name may have. */
  const NAME = 30;
  let titled: NestFastifyApplication;

  beforeAll(async () => {
    titled = await t.another({ titleModel: 'namer', budgetUnpricedModels: 'refuse' });
  });
  afterAll(() => titled.close());

  /** What has become of the call that was to name it. */
  async function named(): Promise<string | undefined> {
    const generate = jest.spyOn(titled.get(SideCalls), 'generate');
    try {
      await send({}, ada.at(titled.getHttpServer())).expect(200);
      await expectSoon(() => expect(generate).toHaveBeenCalledTimes(1));
      return ((await generate.mock.results[0]?.value) as Generation | null)?.text;
    } finally {
      generate.mockRestore();
    }
  }
  const namers = () => t.model.requests.filter(({ model }) => model === 'namer').length;

  it('is generated only when the budget has room for the longest name, to the micro-dollar', async () => {
    await setPrice(t, { model: 'namer' });
    const before = namers();
    await limit(TOKENS + NAME - 1);
    expect(await named()).toBeUndefined();
    expect([namers(), await spentInLedger()]).toEqual([before, TOKENS]);
    await limit(2 * TOKENS + NAME);
    saying(NAME);
    expect(await named()).toBe('Words');
    expect(namers()).toBe(before + 1);
  });

  it("is also limited by the project's budget, and does not use what running turns have reserved", async () => {
    await ada.put(`/projects/${project.id}/budget`, limits(null, TOKENS + NAME - 1)).expect(200);
    expect(await named()).toBeUndefined();
    await ada.put(`/projects/${project.id}/budget`, limits(null, 3 * TOKENS + NAME - 1)).expect(200);
    const gate = t.model.hold('x');
    await begin();
    await gate.reached;
    expect(await named()).toBeUndefined();
    gate.release();
    await expectSoon(async () => expect((await used())[1]).toBe(0));
  });

  it('is not generated where a budget applies and its model has no price', async () => {
    await limit(100_000);
    const nameless = await t.another({ titleModel: 'unpriced' });
    const generate = jest.spyOn(nameless.get(SideCalls), 'generate');
    await send({}, ada.at(nameless.getHttpServer())).expect(200);
    await expectSoon(() => expect(generate).toHaveBeenCalledTimes(1));
    expect(await generate.mock.results[0]?.value).toBeNull();
    await nameless.close();
  });
});

describe('the budget routes', () => {
  it('show the limits that are set, and null where none is', async () => {
    const none = { limit_micro_usd: null, cap_micro_usd: null, spent_micro_usd: 0 };
    expect(await budget()).toMatchObject({ day: none, month: none, reserved_micro_usd: 0 });
    expect(await budget(`/projects/${project.id}/budget`)).toMatchObject({ day: none, month: none });
    await limit(5, 7);
    expect(await budget()).toMatchObject({ day: { limit_micro_usd: 5 }, month: { limit_micro_usd: 7 } });
    await limit(null, 7);
    expect(await budget()).toMatchObject({ day: none, month: { limit_micro_usd: 7 } });
    const { body } = await ada.get('/users/me/audit-events?limit=2').expect(200);
    expect(body).toMatchObject({ data: [{ action: 'budget.changed' }, { action: 'budget.changed' }] });
  });

  it.each([
    [{ day_limit_micro_usd: -1, month_limit_micro_usd: null }, ['/day_limit_micro_usd']],
    [{ day_limit_micro_usd: 1.5, month_limit_micro_usd: '1' }, ['/day_limit_micro_usd', '/month_limit_micro_usd']],
    [{ day_limit_micro_usd: 1 }, ['/month_limit_micro_usd']],
    [{ ...limits(1), spent: 0 }, ['/spent']],
  ])('refuse %j', async (body, pointers) => {
    expectProblem(await ada.put('/users/me/budget', body), 'validation_failed', pointers);
    expectProblem(await ada.put(`/projects/${project.id}/budget`, body), 'validation_failed', pointers);
  });

  it('roll the first write back when the second fails', async () => {
    await limit(5);
    await t.database.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
       create trigger refuse before insert on audit_events for each row execute function refuse()`,
    );
    expectProblem(await ada.put('/users/me/budget', limits(6)), 'internal_error');
    await t.database.query('drop trigger refuse on audit_events; drop function refuse');
    expect((await budget()).day.limit_micro_usd).toBe(5);
  });

  it('are about the whole account for an API key without a project', async () => {
    const { key } = await ada.apiKey({ project_id: project.id });
    const bound = ada.by(key);
    expectProblem(await bound.get('/users/me/budget'), 'insufficient_scope');
    expectProblem(await bound.put('/users/me/budget', limits(1)), 'insufficient_scope');
    await bound.put(`/projects/${project.id}/budget`, limits(1)).expect(200);
  });

  it("hold a project's API key to the account budget, including reservations of all projects", async () => {
    await limit(150);
    const bound = ada.by((await ada.apiKey({ project_id: project.id })).key);
    const other = await ada.project({ params: { max_output_tokens: TOKENS } });
    const gate = t.model.hold('x');
    await begin({ project_id: other.id });
    await gate.reached;
    expectProblem(await send({}, bound), 'quota_exceeded');
    gate.release();
    await expectSoon(async () => expect(await used()).toEqual([1, 0]));
    await send({}, bound).expect(200);
  });
});

describe('a cap that an admin sets', () => {
  let admin: TestUser;
  const caps = (day: number | null) => ({ day_cap_micro_usd: day, month_cap_micro_usd: null });
  const cap = (day: number | null) => admin.put(`/admin/users/${ada.id}/budget`, caps(day)).expect(200);

  beforeEach(async () => {
    admin = await TestUser.register(t);
    await t.database.query(`update users set role = 'admin' where id = $1`, [admin.id]);
  });

  it('applies without a limit of the user, who can set a smaller one but no larger one', async () => {
    await cap(150);
    await send().expect(200);
    expectProblem(await send(), 'quota_exceeded');
    expectProblem(await ada.put('/users/me/budget', limits(151)), 'validation_failed', ['/day_limit_micro_usd']);
    await limit(120);
    await limit(null);
    expectProblem(await send(), 'quota_exceeded');
    expect((await budget()).day).toMatchObject({ limit_micro_usd: null, cap_micro_usd: 150, spent_micro_usd: 100 });
    await cap(null);
    await send().expect(200);
  });

  it('is recorded in both audit logs, as is reading it', async () => {
    await cap(1);
    const { body } = await admin.get(`/admin/users/${ada.id}/budget`).expect(200);
    expect(body).toMatchObject({ day: { cap_micro_usd: 1 } });
    for (const user of [ada, admin]) {
      const log = (await user.get('/users/me/audit-events').expect(200)).body as { data: { action: string }[] };
      const actions = log.data.map(({ action }) => action).slice(0, 2);
      expect(actions).toEqual(['admin.budget_read', 'admin.budget_capped']);
    }
  });
});
