import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { UsageReconciliationJob } from '../../src/modules/chat/running/usage-reconciliation.job.js';
import { type EstimatedEntry, EstimatedUsage } from '../../src/modules/usage/public/estimated-usage.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { entriesOf, setPrice } from '../support/ledger.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;
let project: { id: string };

beforeAll(async () => {
  t = await createTestApp({ llmRetries: 1, turnFlushMs: 30, turnSweepMs: 600_000, titleModel: undefined });
  await setPrice(t, { model: 'priced', input: 2, cached: 1, output: 10, version: 'v1' });
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  project = await ada.project({ model: 'priced' });
});
afterAll(() => t.close());

const message = async (id: string): Promise<MessageBody> =>
  (await ada.get(`/chat/messages/${id}`).expect(200)).body as MessageBody;

const begin = async (user = ada): Promise<TurnBody> =>
  (await user.post('/chat', { project_id: project.id, message: 'Go', background: true }).expect(202)).body as TurnBody;

/** The next answer: its words, what it says that it used, and the name that the answering model gives itself. */
const answers = (text: string, usage: object | boolean = true, model?: string): void =>
  t.model.next((_request, answer) => {
    if (model !== undefined) answer.answersAs(model);
    answer.delta(text);
    answer.finish('stop', { usage });
  });

const counts = (prompt_tokens: number, completion_tokens: number, more: object = {}): object => ({
  prompt_tokens,
  completion_tokens,
  ...more,
});

const expireLeases = (): Promise<unknown> =>
  t.database.query(
    'update turns set lease_until = now(), owner = gen_random_uuid() where is_running and user_id = $1',
    [ada.id],
  );

const savedText = async (id: string): Promise<void> =>
  void (await expectSoon(async () =>
    expect(await t.database.query('select 1 from turn_chunks where message_id = $1', [id])).not.toEqual([]),
  ));

describe('the ledger', () => {
  it('has an entry for a turn, with the same cost as the answer', async () => {
    const usage = counts(1000, 7, { prompt_tokens_details: { cached_tokens: 400 } });
    answers('Yes', usage);
    const { session_id, assistant_message } = await ada.turn({ project_id: project.id });
    // 600 new tokens at 2, 400 read before at 1, and 7 said at 10.
    expect(assistant_message.cost_micro_usd).toBe(1670);
    expect(await entriesOf(t, ada)).toEqual([
      expect.objectContaining({
        ...{ message_id: assistant_message.id, project_id: project.id, session_id, kind: 'answer', attempt: 1 },
        ...{ provider: 'openai', model: 'priced', is_own_key: false, status: 'completed', revision: 0 },
        ...{ input_tokens: 1000, cached_input_tokens: 400, output_tokens: 7, is_estimated: false },
        ...{ price_version: 'v1', cost_micro_usd: 1670, generation_id: 'gen-1', raw_usage: usage },
      }),
    ]);
    expect((await message(assistant_message.id)).cost_micro_usd).toBe(1670);
  });

  it('has an entry for each call: the refused one and the one that answered', async () => {
    t.model.next((_request, answer) => answer.refuse(500));
    answers('Yes', counts(10, 1));
    const { assistant_message } = await ada.turn({ project_id: project.id });
    expect(await entriesOf(t, ada)).toMatchObject([
      { attempt: 1, status: 'failed', input_tokens: null, output_tokens: null, cost_micro_usd: null },
      { attempt: 2, status: 'completed', cost_micro_usd: 30 },
    ]);
    expect(assistant_message.cost_micro_usd).toBe(30);
  });

  it('has null for an unknown price, never 0', async () => {
    const { assistant_message } = await ada.turn({ project_id: project.id, model: 'unheard-of' });
    expect(assistant_message.cost_micro_usd).toBeNull();
    expect(await entriesOf(t, ada)).toMatchObject([{ cost_micro_usd: null, price_version: null }]);
  });

  it('rounds a fraction of a micro-dollar up', async () => {
    await setPrice(t, { model: 'cheap', output: 0.000001 });
    const { assistant_message } = await ada.turn({ project_id: project.id, model: 'cheap' });
    expect(assistant_message.cost_micro_usd).toBe(1);
  });

  it('uses the price that was in force when the turn was opened', async () => {
    await setPrice(t, { model: 'changing', output: 5, from: '2021-01-01', version: 'old' });
    await setPrice(t, { model: 'changing', output: 7, from: '2022-01-01', version: 'new' });
    await setPrice(t, { model: 'changing', output: 9, from: '2122-01-01', version: 'not yet' });
    answers('Yes', counts(1, 10));
    await ada.turn({ project_id: project.id, model: 'changing' });
    const gate = t.model.hold('Hm');
    const running = ada.turn({ project_id: project.id, model: 'changing' });
    await gate.reached;
    await setPrice(t, { model: 'changing', output: 100, from: new Date().toISOString(), version: 'too late' });
    gate.release();
    await running;
    expect((await entriesOf(t, ada)).map(({ price_version }) => price_version)).toEqual(['new', 'new']);
  });

  it('uses the price of a model for its dated names, unless they have their own', async () => {
    await setPrice(t, { model: 'priced-2024-07-18', output: 3, version: 'its own' });
    for (const model of ['priced-2025-01-01', 'priced-20250101', 'priced-2024-07-18', 'priced-mini'])
      await ada.turn({ project_id: project.id, model });
    expect((await entriesOf(t, ada)).map(({ price_version }) => price_version)).toEqual(['v1', 'v1', 'its own', null]);
  });

  describe('of a server whose models answer under other names', () => {
    const FILE = '/models/llama-3.gguf';
    const priceVersions = async (): Promise<(string | null)[]> =>
      (await entriesOf(t, ada)).map(({ price_version }) => price_version);

    it('uses the price of the requested model when the answering name has none', async () => {
      answers('Yes', counts(10, 7), FILE);
      const { assistant_message } = await ada.turn({ project_id: project.id });
      expect(assistant_message).toMatchObject({ model: FILE, cost_micro_usd: 90 });
      expect(await entriesOf(t, ada)).toMatchObject([
        { model: FILE, asked_model: 'priced', price_version: 'v1', cost_micro_usd: 90 },
      ]);
    });

    it('uses the price of the answering name if it has one, also without its date', async () => {
      await setPrice(t, { model: 'answering', output: 3, version: 'answering' });
      for (const name of ['answering', 'answering-2025-01-01']) {
        answers('Yes', true, name);
        await ada.turn({ project_id: project.id });
      }
      expect(await priceVersions()).toEqual(['answering', 'answering']);
    });

    it('uses the price of a model that was requested by a dated name', async () => {
      await setPrice(t, { model: 'priced-2023-01-01', output: 3, version: 'of the date' });
      for (const model of ['priced-2025-01-01', 'priced-2023-01-01']) {
        answers('Yes', true, FILE);
        await ada.turn({ project_id: project.id, model });
      }
      expect(await priceVersions()).toEqual(['v1', 'of the date']);
    });

    it('uses the price of the requested fallback', async () => {
      await setPrice(t, { model: 'stand-in', output: 3, version: 'of the fallback' });
      const { id } = await ada.project({
        model: 'priced',
        fallbacks: [{ provider: 'openai', model: 'stand-in' }],
      });
      t.model.next((_request, answer) => answer.refuse(500));
      answers('Yes', counts(10, 7), FILE);
      const { assistant_message } = await ada.turn({ project_id: id });
      expect(assistant_message.cost_micro_usd).toBe(21);
      expect((await entriesOf(t, ada)).at(-1)).toMatchObject({ model: FILE, price_version: 'of the fallback' });
    });

    it('charges a turn that is deleted after the model reported its name', async () => {
      t.model.next(async (_request, answer) => {
        answer.answersAs(FILE);
        answer.delta('Words');
        await t.database.query('delete from chat_sessions where user_id = $1', [ada.id]);
        answer.finish('stop', { usage: counts(10, 7) });
      });
      // An instance that saves no text while it writes notices the deletion only at the end.
      const instance = await t.another({ turnFlushMs: 600_000 });
      await begin(ada.at(instance.getHttpServer()));
      await expectSoon(async () => expect(await entriesOf(t, ada)).toHaveLength(1));
      await instance.close();
      expect(await entriesOf(t, ada)).toMatchObject([{ model: FILE, cost_micro_usd: 90 }]);
    });

    it('charges a session name by the requested model', async () => {
      const titled = await t.another({ titleModel: 'priced' });
      answers('An answer', true, FILE);
      answers('A name', counts(8, 2), FILE);
      await ada.at(titled.getHttpServer()).turn({ project_id: project.id });
      const entry = await expectSoon(async () => {
        const title = (await entriesOf(t, ada)).find(({ kind }) => kind === 'title');
        expect(title).toBeDefined();
        return title;
      });
      expect(entry).toMatchObject({ model: FILE, asked_model: 'priced', cost_micro_usd: 36 });
      await titled.close();
    });
  });

  it('charges a stopped answer by counted tokens, with its context', async () => {
    const gate = t.model.hold('As far as it came');
    const { id } = (await begin()).assistant_message;
    await gate.reached;
    await expectSoon(async () => {
      await savedText(id);
    });
    await ada.post(`/chat/messages/${id}/stop`).expect(200);
    const [entry, ...others] = await entriesOf(t, ada);
    expect(others).toEqual([]);
    expect(entry).toMatchObject({ status: 'stopped', is_estimated: true, output_tokens: 5 });
    expect(entry?.input_tokens).toBeGreaterThan(0);
    expect(entry?.cost_micro_usd).toBe((entry?.input_tokens as number) * 2 + 50);
    expect((await message(id)).cost_micro_usd).toBe(entry?.cost_micro_usd);
  });

  it('charges the usage of a crashed instance once at the takeover; the instance that lost the claim writes nothing', async () => {
    const second = await t.another();
    const lost = t.model.hold('Lost words', ' too late');
    const { id } = (await begin()).assistant_message;
    await lost.reached;
    await savedText(id);
    answers('Found', counts(20, 1));
    await expireLeases();
    await second.get(TurnKeeperJob).takeOver();
    await expectSoon(async () => expect((await message(id)).status).toBe('completed'));
    const entries = await entriesOf(t, ada);
    expect(entries).toMatchObject([
      { attempt: 1, status: 'interrupted', is_estimated: true, output_tokens: 2 },
      { attempt: 2, status: 'completed', is_estimated: false, cost_micro_usd: 50 },
    ]);
    expect(entries[0]?.cost_micro_usd).toBeGreaterThan(20);
    expect((await message(id)).cost_micro_usd).toBe((entries[0]?.cost_micro_usd as number) + 50);
    lost.release();
    await t.app.get(TurnKeeperJob).renew();
    await second.close();
    expect(await entriesOf(t, ada)).toEqual(entries);
  });

  it('charges a turn that is deleted with its session while the model answers', async () => {
    const gate = t.model.hold('Said before it was deleted');
    const { session_id, assistant_message } = await begin();
    await gate.reached;
    await savedText(assistant_message.id);
    await ada.delete(`/chat/sessions/${session_id}`).expect(204);
    await t.app.get(TurnKeeperJob).renew();
    const [entry] = await expectSoon(async () => {
      const entries = await entriesOf(t, ada);
      expect(entries).toHaveLength(1);
      return entries;
    });
    expect(entry).toMatchObject({ session_id, status: 'interrupted', is_estimated: true, output_tokens: 6 });
    expect(entry?.cost_micro_usd).toBeGreaterThan(50);
  });

  it('outlives sessions and projects, and is deleted with the account', async () => {
    await ada.turn({ project_id: project.id });
    await ada.delete(`/projects/${project.id}`).expect(204);
    expect(await entriesOf(t, ada)).toHaveLength(1);
    await ada.erase().expect(204);
    expect(await entriesOf(t, ada)).toEqual([]);
  });

  it('is append-only for every role', async () => {
    await ada.turn({ project_id: project.id });
    for (const sql of ['update usage_entries set cost_micro_usd = 0', 'delete from usage_entries']) {
      await expect(t.database.queryAs(ada.id, sql)).rejects.toMatchObject({ code: '42501' });
      await expect(t.database.query(sql)).rejects.toThrow('only ever added to');
    }
    await expect(t.database.query('truncate usage_entries')).rejects.toThrow('only ever added to');
  });
});

describe('the name of a session', () => {
  it("is a separate call in the ledger, and not part of the answer's cost", async () => {
    const titled = await t.another({ titleModel: 'namer' });
    await setPrice(t, { model: 'namer', output: 100 });
    answers('An answer', counts(1, 1));
    answers('A name', counts(8, 2));
    const { body } = await ada.at(titled.getHttpServer()).post('/chat', { project_id: project.id, message: 'Go' });
    const entries = await expectSoon(async () => {
      const found = await entriesOf(t, ada);
      expect(found).toHaveLength(2);
      return found;
    });
    const { id } = (body as TurnBody).assistant_message;
    expect(entries.find(({ kind }) => kind === 'title')).toMatchObject({
      ...{ message_id: id, model: 'namer', status: 'completed', input_tokens: 8, cost_micro_usd: 200 },
    });
    expect((await message(id)).cost_micro_usd).toBe(12);
    await titled.close();
  });
});

describe('with OpenRouter', () => {
  let routed: NestFastifyApplication;
  let there: TestUser;

  beforeAll(async () => {
    await setPrice(t, { provider: 'openrouter', model: 'priced', input: 2, output: 10 });
    routed = await t.another({ llmProvider: 'openrouter', openrouterApiKey: 'sk-or', openrouterBaseUrl: t.model.url });
  });
  beforeEach(() => {
    there = ada.at(routed.getHttpServer());
  });
  afterAll(() => routed.close());

  it('its reported cost takes precedence over the price list', async () => {
    answers('Yes', counts(1000, 7, { cost: 0.000123 }));
    const { assistant_message } = await there.turn({ project_id: project.id });
    expect(assistant_message.cost_micro_usd).toBe(123);
    expect(await entriesOf(t, ada)).toMatchObject([{ cost_micro_usd: 123, price_version: null }]);
  });

  it('a stopped answer is corrected by one more entry, once, from its records', async () => {
    const job = routed.get(UsageReconciliationJob);
    t.model.generations.clear();
    t.model.next(async (_request, answer) => {
      answer.delta('As far as it came');
      await answer.closed;
    });
    const { id } = (await begin(there)).assistant_message;
    await savedText(id);
    await there.post(`/chat/messages/${id}/stop`).expect(200);
    const [first] = await entriesOf(t, ada);
    expect(first).toMatchObject({ is_estimated: true, generation_id: 'gen-1' });
    await job.reconcile();
    expect(await entriesOf(t, ada)).toHaveLength(1);
    t.model.generations.set('gen-1', {
      ...{ id: 'gen-1', total_cost: 0.001, native_tokens_prompt: 50, native_tokens_completion: 9 },
    });
    await Promise.all([job.reconcile(), job.reconcile()]);
    await job.reconcile();
    const [kept, more, ...others] = await entriesOf(t, ada);
    expect(kept).toEqual(first);
    expect(others).toEqual([]);
    expect(more).toMatchObject({
      ...{ message_id: id, attempt: 1, revision: 1, is_estimated: false },
      input_tokens: 50 - (first?.input_tokens as number),
      output_tokens: 9 - (first?.output_tokens as number),
      cost_micro_usd: 1000 - (first?.cost_micro_usd as number),
    });
    const { body } = await ada.get('/users/me/usage').expect(200);
    expect(body).toMatchObject({ total: { calls: 1, input_tokens: 50, output_tokens: 9, cost_micro_usd: 1000 } });
  });
});

describe('a correction', () => {
  it('of a call that answered under another name uses the price of the requested model', async () => {
    answers('Yes', false, '/models/llama-3.gguf');
    await ada.turn({ project_id: project.id });
    const entry = (await t.app.get(EstimatedUsage).list('openai', 50)).find(({ userId }) => userId === ada.id);
    const { inputTokens, outputTokens } = entry as EstimatedEntry;
    await t.app.get(EstimatedUsage).correct(entry as EstimatedEntry, {
      ...{ inputTokens: (inputTokens ?? 0) + 10, outputTokens: (outputTokens ?? 0) + 7 },
      ...{ cachedInputTokens: null, costMicroUsd: null },
    });
    expect((await entriesOf(t, ada)).at(-1)).toMatchObject({ revision: 1, price_version: 'v1', cost_micro_usd: 90 });
  });
});

interface Report {
  data: Record<string, unknown>[];
  total: Record<string, unknown>;
}
const report = async (path: string): Promise<Report> => (await ada.get(path).expect(200)).body as Report;

describe('a report', () => {
  const zero = { calls: 0, calls_without_cost: 0 };
  const none = { ...zero, input_tokens: null, cached_input_tokens: null, output_tokens: null, cost_micro_usd: null };

  it('adds up the ledger exactly, by day, model and project', async () => {
    const other = await ada.project({ model: 'priced' });
    for (const [project_id, model, output] of [
      [project.id, 'priced', 3],
      [project.id, 'unheard-of', 4],
      [other.id, 'priced', 5],
    ] as const) {
      answers('Yes', counts(10, output));
      await ada.turn({ project_id, model });
    }
    const today = new Date().toISOString().slice(0, 10);
    const nothing = { day: null, provider: null, model: null, project_id: null };
    const sums = (calls: number, output: number, cost: number | null, without = 0) => ({
      ...{ calls, input_tokens: calls * 10, cached_input_tokens: null, output_tokens: output },
      ...{ cost_micro_usd: cost, calls_without_cost: without },
    });
    const total = sums(3, 12, 120, 1);
    expect(await report('/users/me/usage')).toMatchObject({ data: [{ ...nothing, day: today, ...total }], total });
    expect(await report('/users/me/usage?group_by=model')).toMatchObject({
      data: [
        { ...nothing, provider: 'openai', model: 'priced', ...sums(2, 8, 120) },
        { ...nothing, provider: 'openai', model: 'unheard-of', ...sums(1, 4, null, 1) },
      ],
      total,
    });
    await ada.delete(`/projects/${other.id}`).expect(204);
    expect(await report('/users/me/usage?group_by=project')).toMatchObject({
      data: [
        { ...nothing, project_id: project.id, ...sums(2, 7, 50, 1) },
        { ...nothing, project_id: other.id, ...sums(1, 5, 70) },
      ],
      total,
    });
    expect(await report(`/projects/${project.id}/usage`)).toMatchObject({ total: sums(2, 7, 50, 1) });
  });

  it('covers a period, and is empty without usage', async () => {
    await ada.turn({ project_id: project.id });
    expect(await report('/users/me/usage?from=2025-01-01T00:00:00Z&to=2025-06-01T00:00:00Z')).toMatchObject({
      ...{ from: '2025-01-01T00:00:00.000Z', to: '2025-06-01T00:00:00.000Z', data: [], total: none },
    });
  });

  it.each([
    ['from=yesterday', '?from'],
    ['to=0000-01-01T00:00:00Z', '?to'],
    ['from=2020-01-01T00:00:00Z&to=2026-01-01T00:00:00Z', '?from'],
    ['group_by=price', '?group_by'],
  ])('refuses %s', async (query, pointer) => {
    expectProblem(await ada.get(`/users/me/usage?${query}`), 'validation_failed', [pointer]);
  });

  it('shows an API key of one project only the usage of that project', async () => {
    await ada.turn({ project_id: project.id });
    await ada.turn({ project_id: (await ada.project()).id });
    const bound = ada.by((await ada.apiKey({ project_id: project.id })).key);
    const { body } = await bound.get('/users/me/usage?group_by=project').expect(200);
    expect(body).toMatchObject({ data: [{ project_id: project.id, calls: 1 }], total: { calls: 1 } });
  });
});
