import { jest } from '@jest/globals';
import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { type ModelRequest, ScriptedModel } from '../support/scripted-model.js';
import { Clock } from '../../src/kernel/clock.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const OPENROUTER_KEY = 'sk-or-canary';
const FALLBACK = { provider: 'openrouter', model: 'second-model' };

let t: TestApp;
/** Stands for OpenRouter; `t.model` is OpenAI. */
let router: ScriptedModel;
let ada: TestUser;
let aheadMs = 0;

beforeAll(async () => {
  router = await ScriptedModel.start();
  t = await createTestApp({
    openrouterApiKey: OPENROUTER_KEY,
    openrouterBaseUrl: router.url,
    openrouterModel: 'router-default',
    providerUrlAllow: ['127.0.0.1'],
    circuitFailures: 3,
    circuitOpenMs: 60_000,
    circuitPollMs: 100,
    llmRetries: 1,
    turnFlushMs: 50,
  });
  jest.spyOn(t.app.get(Clock), 'nowMs').mockImplementation(() => Date.now() + aheadMs);
});
afterAll(async () => {
  await t.close();
  await router.stop();
});
beforeEach(async () => {
  for (const model of [t.model, router]) {
    model.requests.length = model.keys.length = 0;
    model.always(null);
  }
  aheadMs = 0;
  ada = await TestUser.register(t);
});

const projectWith = async (fields: Record<string, unknown>): Promise<string> =>
  (await ada.project({ provider: 'openai', model: aModel(), fallbacks: [FALLBACK], ...fields })).id;
let models = 0;
/** A model that no other test has asked: each has a circuit of its own. */
const aModel = (): string => `model-${++models}`;
const answer = async (project_id: string, fields: Record<string, unknown> = {}) =>
  (await ada.turn({ project_id, ...fields })).assistant_message;

describe('a project with fallbacks', () => {
  it('stores fallbacks in order, changes them, and says which are wrong', async () => {
    const fallbacks = [FALLBACK, { provider: 'openai', model: null }];
    const { body } = await ada.post('/projects', { name: 'P', fallbacks: [FALLBACK, { provider: 'openai' }] });
    expect(body).toMatchObject({ fallbacks });
    const path = `/projects/${(body as { id: string }).id}`;
    expect((await ada.patch(path, { name: 'Q' })).body).toMatchObject({ fallbacks });
    expect((await ada.patch(path, { fallbacks: [] })).body).toMatchObject({ fallbacks: [] });
    for (const [wrong, pointer] of [
      [Array.from({ length: 6 }, () => FALLBACK), '/fallbacks'],
      [[{ provider: 'custom', model: 'm' }], '/fallbacks/0/provider'],
      [[FALLBACK, { provider: 'openai', model: '' }], '/fallbacks/1/model'],
      [[{ ...FALLBACK, api_key: 'k' }], '/fallbacks/0/api_key'],
      [null, '/fallbacks'],
      [[[FALLBACK]], '/fallbacks'],
      [[[]], '/fallbacks'],
    ] as const) {
      const refused = await ada.patch(path, { fallbacks: wrong as never });
      expectProblem(refused, 'validation_failed');
      const { errors } = refused.body as { errors: { pointer: string }[] };
      expect(new Set(errors.map((error) => error.pointer))).toEqual(new Set([pointer]));
    }
  });

  it('is answered by its own provider while that works', async () => {
    const model = aModel();
    expect(await answer(await projectWith({ model }))).toMatchObject({ provider: 'openai', model });
    expect(router.requests).toEqual([]);
  });

  it.each([
    ['fails', 500],
    ['is overloaded', 503],
    ['limits the rate', 429],
    ['refuses the key', 401],
    ['has no credit left', 402],
    ['does not know the model', 404],
  ])('is answered by the next provider when the first %s, and the message names it', async (_, status) => {
    t.model.next((_request, wire) => wire.refuse(status));
    expect(await answer(await projectWith({}))).toMatchObject({
      status: 'completed',
      content: 'You said: Hello',
      provider: 'openrouter',
      model: 'second-model',
      error: null,
    });
    // Whoever has somebody behind is not asked twice.
    expect([t.model.requests.length, router.requests.length]).toEqual([1, 1]);
    expect(router.keys).toEqual([`Bearer ${OPENROUTER_KEY}`]);
  });

  it('is answered by the next provider when the first ends before its first token', async () => {
    t.model.next((_request, wire) => wire.drop());
    expect(await answer(await projectWith({}))).toMatchObject({ provider: 'openrouter' });
  });

  it.each([
    [400, {}, 'provider_rejected'],
    [400, { error: { code: 'context_length_exceeded' } }, 'context_too_large'],
  ] as const)('does not call a fallback when the request itself is wrong (%i %j)', async (status, body, code) => {
    t.model.next((_request, wire) => wire.refuse(status, body));
    const project_id = await projectWith({});
    expectProblem(await ada.post('/chat', { project_id, message: 'Hi' }), code);
    expect(router.requests).toEqual([]);
  });

  it('does not switch to another provider after the first token', async () => {
    t.model.next((_request, wire) => {
      wire.delta('The first half');
      setTimeout(() => wire.drop(), 50);
    });
    const project_id = await projectWith({});
    expectProblem(await ada.post('/chat', { project_id, message: 'Hi' }), 'provider_disconnected');
    expect(router.requests).toEqual([]);
  });

  it('calls all of them, retries only the last, and reports the last failure', async () => {
    t.model.always((_request, wire) => wire.refuse(503));
    router.always((_request, wire) => wire.refuse(429));
    const [first, second, third] = [aModel(), aModel(), aModel()];
    const fallbacks = [
      { provider: 'openai', model: second },
      { provider: 'openrouter', model: third },
    ];
    const project_id = await projectWith({ model: first, fallbacks });
    expectProblem(await ada.post('/chat', { project_id, message: 'Hi' }), 'provider_rate_limited');
    expect(t.model.requests.map(({ model }) => model)).toEqual([first, second]);
    expect(router.requests.map(({ model }) => model)).toEqual([third, third]);
  });

  it('uses the model of a request for the first provider only', async () => {
    t.model.next((_request, wire) => wire.refuse(503));
    const model = aModel();
    expect(await answer(await projectWith({}), { model })).toMatchObject({ model: 'second-model' });
    expect(t.model.requests[0]).toMatchObject({ model });
  });

  it('can be stopped between two providers', async () => {
    t.model.next((_request, wire) => wire.refuse(503));
    const gate = router.hold();
    const project_id = await projectWith({});
    const { body } = await ada.post('/chat', { project_id, message: 'Hi', background: true }).expect(202);
    const { id } = (body as { assistant_message: { id: string } }).assistant_message;
    await gate.reached;
    expect((await ada.post(`/chat/messages/${id}/stop`).expect(200)).body).toMatchObject({
      status: 'stopped',
      provider: 'openrouter',
    });
  });

  it('loses no turn and answers each once while the first provider fails half of the time', async () => {
    let calls = 0;
    t.model.always((request, wire) => {
      if (calls++ % 2 === 0) return wire.refuse(500);
      wire.delta(`Well, ${String(request.messages.at(-1)?.content)}`);
      wire.finish();
    });
    const project_id = await projectWith({});
    const turns = await Promise.all(
      Array.from({ length: 24 }, (_, i) => ada.turn({ project_id, message: `number ${i}.` })),
    );
    const contents = turns.map(({ assistant_message }) => assistant_message.content);
    contents.forEach((content, i) => expect(content).toMatch(new RegExp(`^(Well, |You said: )number ${i}\\.$`)));
    const rows = await t.database.query<{ status: string }>(
      `select status from messages where user_id = $1 and role = 'assistant'`,
      [ada.id],
    );
    expect(rows.map(({ status }) => status)).toEqual(Array.from({ length: 24 }, () => 'completed'));
  });
});

describe('a fallback with a smaller window', () => {
  /** 5000 tokens: too much for `gpt-4` with an answer of 4000, and enough for it with one of 1000. */
  const message = 'word '.repeat(5000);
  const SMALL = { provider: 'openai', model: 'gpt-4' };
  let server: TestApp['server'];
  let there: TestUser;

  beforeAll(async () => {
    router.windows['meta/small'] = 3000;
    server = (await t.another({ contextTokens: 16_000, messageMaxChars: 100_000 })).getHttpServer();
  });
  beforeEach(() => {
    there = ada.at(server);
  });

  it('is skipped when the context does not fit, and the next fallback answers', async () => {
    t.model.next((_request, wire) => wire.refuse(503));
    const project_id = await projectWith({ fallbacks: [SMALL, FALLBACK] });
    const { assistant_message } = await there.turn({ project_id, message, params: { max_output_tokens: 4000 } });
    expect(assistant_message).toMatchObject({ provider: 'openrouter', model: 'second-model' });
    expect(t.model.requests).toHaveLength(1);
  });

  it('answers while the context fits', async () => {
    t.model.next((_request, wire) => wire.refuse(503));
    const project_id = await projectWith({ fallbacks: [SMALL, FALLBACK] });
    const { assistant_message } = await there.turn({ project_id, message, params: { max_output_tokens: 1000 } });
    expect(assistant_message).toMatchObject({ provider: 'openai', model: 'gpt-4' });
  });

  it('leaves the retries to the first provider when no fallback has room', async () => {
    t.model.next((_request, wire) => wire.refuse(503));
    const model = aModel();
    const project_id = await projectWith({ model, fallbacks: [SMALL] });
    const { assistant_message } = await there.turn({ project_id, message, params: { max_output_tokens: 4000 } });
    expect(assistant_message).toMatchObject({ provider: 'openai', model });
    expect(t.model.requests.map((request) => request.model)).toEqual([model, model]);
  });

  it("is also known from its provider's list of models", async () => {
    const small = { provider: 'openrouter', model: 'meta/small' };
    const project_id = await projectWith({ fallbacks: [small, { provider: 'openai', model: 'gpt-4o' }] });
    t.model.always(({ model }, wire) => {
      if (model !== 'gpt-4o') return wire.refuse(503);
      wire.delta('Yes.');
      wire.finish();
    });
    await expectSoon(async () => {
      expect((await there.turn({ project_id, message })).assistant_message).toMatchObject({ model: 'gpt-4o' });
    });
  });
});

describe('a project’s own key', () => {
  const KEY = 'sk-own-canary-0123456789';
  const setKey = async (project_id: string, fields: Record<string, unknown>) =>
    ada.put(`/projects/${project_id}/provider-key`, { api_key: KEY, ...fields }).expect(200);

  it('is sent to its own provider only; the others get this server’s key', async () => {
    t.model.next((_request, wire) => wire.refuse(503));
    const project_id = await projectWith({});
    await setKey(project_id, { provider: 'custom', base_url: t.model.url });
    expect(await answer(project_id)).toMatchObject({ provider: 'openrouter', model: 'second-model' });
    expect(t.model.keys).toEqual([`Bearer ${KEY}`]);
    expect(router.keys).toEqual([`Bearer ${OPENROUTER_KEY}`]);
  });

  it('is also used when its provider is a fallback', async () => {
    const [first, second] = [aModel(), aModel()];
    t.model.next((_request, wire) => wire.refuse(503));
    const project_id = await projectWith({ model: first, fallbacks: [{ provider: 'openai', model: second }] });
    await setKey(project_id, { provider: 'openai' });
    expect(await answer(project_id)).toMatchObject({ provider: 'openai', model: second });
    expect(t.model.keys).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
  });

  it('opens no circuit breaker for others when it keeps failing', async () => {
    const model = aModel();
    const project_id = await projectWith({ model, fallbacks: [] });
    await setKey(project_id, { provider: 'custom', base_url: t.model.url });
    t.model.always((_request, wire) => wire.refuse(500));
    for (let i = 0; i < 3; i++) await ada.post('/chat', { project_id, message: 'Hi' }).expect(502);
    expectProblem(await ada.post('/chat', { project_id, message: 'Hi' }), 'provider_circuit_open');
    t.model.always(null);
    expect(await answer(await projectWith({ model, fallbacks: [] }))).toMatchObject({ status: 'completed' });
  });
});

describe('adjacent OpenRouter fallbacks', () => {
  const asked = (): Pick<ModelRequest, 'model' | 'models'>[] =>
    router.requests.map(({ model, models }) => ({ model, models }));

  it('are sent as one request, and the message names the model that answered', async () => {
    router.next((_request, wire) => {
      wire.answersAs('router-default');
      wire.delta('Yes');
      wire.finish();
    });
    const first = aModel();
    const fallbacks = [FALLBACK, { provider: 'openrouter', model: null }, { provider: 'openai', model: 'last' }];
    const project_id = await projectWith({ provider: 'openrouter', model: first, fallbacks });
    expect(await answer(project_id)).toMatchObject({ provider: 'openrouter', model: 'router-default' });
    expect(asked()).toEqual([{ model: first, models: ['second-model', 'router-default'] }]);
    expect(t.model.requests).toEqual([]);
  });

  it('are followed by other providers when all of them fail', async () => {
    router.next((_request, wire) => wire.refuse(503));
    const fallbacks = [FALLBACK, { provider: 'openai', model: 'last' }];
    const project_id = await projectWith({ provider: 'openrouter', fallbacks });
    expect(await answer(project_id)).toMatchObject({ provider: 'openai', model: 'last' });
    expect(router.requests).toHaveLength(1);
  });

  it('are split when there are more than OpenRouter accepts in one request', async () => {
    router.next((_request, wire) => wire.refuse(503));
    const first = aModel();
    const fallbacks = ['b', 'c', 'd', 'e', 'f'].map((model) => ({ provider: 'openrouter', model }));
    await answer(await projectWith({ provider: 'openrouter', model: first, fallbacks }));
    expect(asked()).toEqual([
      { model: first, models: ['b', 'c', 'd'] },
      { model: 'e', models: ['f'] },
    ]);
  });

  it('send no list of models when there is only one', async () => {
    await answer(await projectWith({ provider: 'openrouter', fallbacks: [] }));
    expect(asked()).toEqual([{ model: expect.any(String) as string, models: undefined }]);
  });
});

describe('a provider that keeps failing', () => {
  const ask = (project_id: string) => ada.post('/chat', { project_id, message: 'Hi' });

  /** A project whose model has failed so often that it is not asked any more. */
  async function broken(fields: Record<string, unknown> = { fallbacks: [] }): Promise<string> {
    const project_id = await projectWith(fields);
    t.model.always((_request, wire) => wire.refuse(500));
    for (let i = 0; i < 3; i++) await ask(project_id);
    t.model.requests.length = 0;
    return project_id;
  }

  it('is not called any more, and the error says when it will be', async () => {
    const refused = await ask(await broken());
    expectProblem(refused, 'provider_circuit_open');
    expect(refused.status).toBe(503);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(30);
    expect(t.model.requests).toEqual([]);
  });

  it('is replaced by the next provider at once, without an attempt', async () => {
    expect(await answer(await broken({}))).toMatchObject({ provider: 'openrouter' });
    expect(t.model.requests).toEqual([]);
  });

  it('is not called any more when it breaks off in the middle of each answer', async () => {
    const project_id = await projectWith({});
    t.model.always((_request, wire) => {
      wire.delta('The first half');
      setTimeout(() => wire.drop(), 50);
    });
    for (let i = 0; i < 3; i++) expectProblem(await ask(project_id), 'provider_disconnected');
    expect(router.requests).toEqual([]);
    expect(await answer(project_id)).toMatchObject({ provider: 'openrouter' });
    expect(t.model.requests).toHaveLength(3);
  });

  it('is called while complete answers come in between, and stopped answers do not count as failures', async () => {
    const project_id = await projectWith({ fallbacks: [] });
    for (const isWhole of [false, false, true, false, false]) {
      if (!isWhole)
        t.model.next((_request, wire) => {
          wire.delta('The first half');
          setTimeout(() => wire.drop(), 50);
        });
      expect((await ask(project_id)).status).toBe(isWhole ? 200 : 502);
    }
    const gate = t.model.hold('Half');
    const { body } = await ada.post('/chat', { project_id, message: 'Hi', background: true }).expect(202);
    await gate.reached;
    const { id } = (body as { assistant_message: { id: string } }).assistant_message;
    await expectSoon(async () =>
      expect(await t.database.query('select 1 from turn_chunks where message_id = $1', [id])).toHaveLength(1),
    );
    expect((await ada.post(`/chat/messages/${id}/stop`)).body).toMatchObject({ status: 'stopped', content: 'Half' });
    expect((await ask(project_id)).status).toBe(200);
  });

  it('is called by all as soon as one test call begins to be answered', async () => {
    const project_id = await broken();
    aheadMs += 61_000;
    t.model.always(null);
    const gate = t.model.hold('Half');
    const first = ada.post('/chat', { project_id, message: 'Hi', stream: true }).then((response) => response);
    await gate.reached;
    await expectSoon(async () => expect((await ask(project_id)).status).toBe(200));
    gate.release();
    await first;
  });

  it('gets one test call after the pause, and all calls after its success', async () => {
    const project_id = await broken();
    aheadMs += 61_000;
    t.model.always(null);
    expect((await ask(project_id)).status).toBe(200);
    const answers = await Promise.all([1, 2, 3].map(() => ask(project_id)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('blocks all other calls during the test call', async () => {
    const project_id = await broken();
    let release = (): void => undefined;
    const reached = new Promise<void>((resolve) => {
      t.model.next(async (_request, wire) => {
        resolve();
        await new Promise<void>((go) => (release = go));
        wire.delta('Well');
        wire.finish();
      });
    });
    aheadMs += 61_000;
    const probe = ask(project_id).then((response) => response);
    await reached;
    const refused = await ask(project_id);
    expectProblem(refused, 'provider_circuit_open');
    expect(refused.headers['retry-after']).toBe('1');
    release();
    expect((await probe).status).toBe(200);
  });

  it('pauses longer when the test call fails too', async () => {
    const project_id = await broken();
    aheadMs += 61_000;
    expectProblem(await ask(project_id), 'provider_error');
    aheadMs += 61_000;
    expectProblem(await ask(project_id), 'provider_circuit_open');
    aheadMs += 60_000;
    t.model.always(null);
    expect((await ask(project_id)).status).toBe(200);
  });

  it('does not count a refused key or request as a failure', async () => {
    const project_id = await projectWith({ fallbacks: [] });
    for (const status of [401, 400, 404, 402]) {
      t.model.next((_request, wire) => wire.refuse(status));
      await ask(project_id);
    }
    expect((await ask(project_id)).status).toBe(200);
  });

  it('is also paused on another instance, and resumes there when it recovers here', async () => {
    const other = await t.another();
    const there = ada.at(other.getHttpServer());
    const project_id = await broken();
    await expectSoon(async () =>
      expectProblem(await there.post('/chat', { project_id, message: 'Hi' }), 'provider_circuit_open'),
    );
    t.model.requests.length = 0;
    aheadMs += 61_000;
    t.model.always(null);
    expect((await ask(project_id)).status).toBe(200);
    await expectSoon(() => there.post('/chat', { project_id, message: 'Hi' }).expect(200));
  });

  it('is also paused on another instance when the notice was lost', async () => {
    const other = await t.another();
    await t.database.query(
      `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parley-listen'
        and datname = current_database()`,
    );
    const project_id = await broken();
    await expectSoon(async () =>
      expectProblem(
        await ada.at(other.getHttpServer()).post('/chat', { project_id, message: 'Hi' }),
        'provider_circuit_open',
      ),
    );
  });

  it('is stored as a hash: the shared table has no text of a user', async () => {
    const model = `secret-${aModel()}`;
    await broken({ model, fallbacks: [] });
    await expectSoon(async () => {
      const rows = await t.database.query<{ key: string; is_open: boolean }>('select key, is_open from circuits');
      expect(rows.length).toBeGreaterThan(0);
      expect(JSON.stringify(rows)).not.toContain(model);
    });
  });
});
