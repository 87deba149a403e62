import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import request from 'supertest';
import type { AppConfig } from '../../src/app-config.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { parseEvents } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** Some 100 tokens. */
const LONG = 'word '.repeat(100);
const JAPANESE = '港は静かだった。船長の帽子は青い。'.repeat(10);

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp({ contextTokens: 1000 });
  ada = await TestUser.register(t);
});
afterAll(() => t.close());
beforeEach(() =>
  t.model.always((_, answer) => {
    answer.delta('Yes.');
    answer.finish();
  }),
);

/** What the newest request sent, by our own count. */
function tokensSent(count: (text: string) => number): number {
  const { messages } = t.model.requests.at(-1) as (typeof t.model.requests)[0];
  return messages.reduce((sum, { content }) => sum + count(content as string) + 4, 3);
}

async function session(turns: number, message: string, fields = {}): Promise<TurnBody> {
  let last = await ada.turn({ project_id: (await ada.project(fields)).id, message });
  for (let turn = 2; turn <= turns; turn++) last = await ada.turn({ session_id: last.session_id, message });
  return last;
}

describe('an answer', () => {
  it('reports the context of the model in the JSON response, the stream and the history', async () => {
    const { id: project_id } = await ada.project();
    await ada.prompt(project_id, 'Be brief.');
    const first = await ada.turn({ project_id, message: 'One' });
    expect(first.assistant_message.context).toEqual({
      messages_sent: 1,
      summarised: 0,
      dropped: 0,
      input_tokens: tokensSent(o200k),
    });
    expect(first.user_message.context).toBeNull();
    const { session_id } = first;
    const { text } = await ada.post('/chat', { session_id, message: 'Two', stream: true }).buffer(true).expect(200);
    const expected = { messages_sent: 3, summarised: 0, dropped: 0, input_tokens: tokensSent(o200k) };
    const events = parseEvents(text);
    expect(events[0]).toMatchObject({ event: 'turn.started', data: { assistant_message: { context: null } } });
    expect(events.at(-1)).toMatchObject({
      event: 'turn.completed',
      data: { assistant_message: { context: expected } },
    });
    const { body } = await ada.get(`/chat/sessions/${session_id}/messages`).expect(200);
    const { data } = body as { data: MessageBody[] };
    expect(data.map(({ context }) => context)).toEqual([null, first.assistant_message.context, null, expected]);
  });

  it('from an older version has no context report', async () => {
    const { assistant_message: answer } = await session(1, 'Old');
    await t.database.query('update messages set context = null, path_length = null where id = $1', [answer.id]);
    expect((await ada.get(`/chat/messages/${answer.id}`).expect(200)).body).toMatchObject({ context: null });
  });

  it('has no context report when no model was called', async () => {
    const project = await ada.project();
    await ada.prompt(project.id, LONG.repeat(8));
    const { body } = await ada.post('/chat', { project_id: project.id, message: 'Hi', background: true }).expect(202);
    const { id } = (body as TurnBody).assistant_message;
    await expectSoon(async () => {
      const message = (await ada.get(`/chat/messages/${id}`)).body as MessageBody;
      expect(message).toMatchObject({ status: 'failed', context: null });
    });
  });
});

describe('history that does not fit', () => {
  it('is dropped from the oldest turn on, and every message is accounted for', async () => {
    // 700 tokens of an unknown model: six turns of some 110 each.
    const { assistant_message } = await session(8, LONG);
    const sent = t.model.requests.at(-1)?.messages.length as number;
    expect(sent % 2).toBe(1);
    expect(assistant_message.context).toEqual({
      messages_sent: sent,
      summarised: 0,
      dropped: 15 - sent,
      input_tokens: tokensSent(o200k),
    });
    expect(sent).toBeGreaterThan(9);
    expect(sent).toBeLessThan(15);
    expect(assistant_message.context?.input_tokens).toBeLessThanOrEqual(700);
    // No model was asked for anything but answers.
    expect(t.model.requests.slice(-8).every(({ stream }) => stream)).toBe(true);
  });

  it('is counted without reading its text', async () => {
    const few = await t.another({ historyMessages: 4 });
    const { session_id } = await session(5, 'Short');
    const turn = await ada.at(few.getHttpServer()).turn({ session_id, message: 'Last' });
    expect(turn.assistant_message.context).toMatchObject({ messages_sent: 5, dropped: 6 });
  });

  it('is counted along the branch only, also for messages from older versions', async () => {
    const few = ada.at((await t.another({ historyMessages: 2 })).getHttpServer());
    const { session_id, user_message } = await session(3, 'Short');
    await ada.post(`/chat/messages/${user_message.id}/regenerate`, {}).expect(200);
    await ada.post(`/chat/messages/${user_message.id}/regenerate`, {}).expect(200);
    await t.database.query('update messages set path_length = null where session_id = $1', [session_id]);
    // Three turns, of the last one the newest answer.
    for (const dropped of [4, 6]) {
      const turn = await few.turn({ session_id, message: 'Next' });
      expect(turn.assistant_message.context).toMatchObject({ messages_sent: 3, dropped });
    }
    const { body } = await few.post(`/chat/messages/${user_message.id}/regenerate`, {}).expect(200);
    expect((body as TurnBody).assistant_message.context).toMatchObject({ messages_sent: 3, dropped: 2 });
    const lengths = await t.database.query<{ length: number | null }>(
      'select path_length as length from messages where session_id = $1 order by seq',
      [session_id],
    );
    expect(lengths.map(({ length }) => length)).toEqual([...Array<null>(8).fill(null), 7, 8, 9, 10, 6]);
  });

  it('counts a failed answer', async () => {
    const { session_id } = await session(1, 'One');
    t.model.next((_, answer) => answer.refuse(500));
    await ada.post('/chat', { session_id, message: 'Two' }).expect(502);
    const turn = await ada.turn({ session_id, message: 'Three' });
    expect(turn.assistant_message.context).toMatchObject({ messages_sent: 4, dropped: 0 });
  });
});

describe('the window of the model', () => {
  const openRouter = (): Partial<AppConfig> => ({ openrouterApiKey: 'sk-or-canary', openrouterBaseUrl: t.model.url });
  let wide: TestUser;
  beforeAll(async () => {
    wide = ada.at((await t.another({ contextTokens: 16_000 })).getHttpServer());
  });

  it('of a known model leaves room for the answer, and a larger message is refused with the numbers', async () => {
    const { id: project_id } = await ada.project({ model: 'gpt-4' });
    const message = LONG.repeat(50);
    const response = await wide.post('/chat', { project_id, message });
    expectProblem(response, 'context_too_large');
    const tokens = cl100k(message) + 7;
    const detail = `They take ${tokens} tokens; 4096 are allowed.`;
    expect(response.body).toMatchObject({ detail });
    // With less room for the answer there is more for the question; a model with a larger window takes it as it is.
    const params = { max_output_tokens: 1000 };
    const { assistant_message } = await wide.turn({ project_id, message, params });
    expect(assistant_message.context).toMatchObject({ messages_sent: 1, input_tokens: tokens });
    await wide.turn({ project_id, message, model: 'gpt-4o' });
    const { text } = await wide.post('/chat', { project_id, message, stream: true }).buffer(true);
    const problem = { code: 'context_too_large', detail };
    expect(parseEvents(text).at(-1)).toMatchObject({
      event: 'turn.failed',
      data: { problem, assistant_message: { error: problem, context: null } },
    });
  });

  it('of an unknown model is the configured one, with a margin', async () => {
    const { id: project_id } = await ada.project();
    const response = await wide.post('/chat', { project_id, message: LONG.repeat(140) });
    expect(response.body).toMatchObject({ detail: expect.stringContaining('11200 are allowed') as string });
  });

  it("is measured in the model's own tokens", async () => {
    const { assistant_message: newer } = await session(2, JAPANESE, { model: 'gpt-4o-mini' });
    expect(newer.context?.input_tokens).toBe(tokensSent(o200k));
    const { assistant_message: older } = await session(2, JAPANESE, { model: 'gpt-4-turbo' });
    expect(older.context?.input_tokens).toBe(tokensSent(cl100k));
    expect(tokensSent(cl100k)).not.toBe(tokensSent(o200k));
  });

  it("decides by the model's own tokens what is dropped", async () => {
    const turns = 5;
    const size = { newer: o200k(JAPANESE), older: cl100k(JAPANESE) };
    const room = turns * (size.newer + o200k('Yes.') + 8);
    const tight = ada.at((await t.another({ contextTokens: room })).getHttpServer());
    const { session_id } = await session(turns - 1, JAPANESE, { model: 'gpt-4o-mini' });
    const whole = await tight.turn({ session_id, message: JAPANESE });
    expect(whole.assistant_message.context).toMatchObject({ dropped: 0 });
    const asOlder = await tight
      .post(`/chat/messages/${whole.user_message.id}/regenerate`, { model: 'gpt-4-turbo' })
      .expect(200);
    const { context } = (asOlder.body as TurnBody).assistant_message;
    expect(context?.dropped).toBeGreaterThan(0);
    expect(context?.input_tokens).toBe(tokensSent(cl100k));
    expect(context?.input_tokens).toBeLessThanOrEqual(room);
  });

  it("comes from the provider's list of models if it is stated there", async () => {
    t.model.windows['meta/small'] = 2000;
    const { id: project_id } = await ada.project({ provider: 'openrouter', model: 'meta/small' });
    const asked = { project_id, message: LONG.repeat(10), params: { max_output_tokens: 900 } };
    const listing = ada.at((await t.another({ contextTokens: 16_000, ...openRouter() })).getHttpServer());
    // Nobody waits for the list: the first turn goes by what config allows.
    await listing.turn(asked);
    await expectSoon(async () => {
      const response = await listing.post('/chat', asked);
      expectProblem(response, 'context_too_large');
      expect(response.body).toMatchObject({ detail: expect.stringContaining('; 770 are allowed.') as string });
    });
  });

  it('survives a malformed list of models', async () => {
    const { id: project_id } = await ada.project({ provider: 'openrouter', model: 'meta/other' });
    t.model.listsAre(500);
    const other = ada.at((await t.another(openRouter())).getHttpServer());
    await other.turn({ project_id });
    await other.turn({ project_id });
    t.model.listsAre(200);
  });
});

it('the project setting context_overflow decides what happens to history that does not fit', async () => {
  const { id } = await ada.project();
  const path = `/projects/${id}`;
  expect((await ada.get(path).expect(200)).body).toMatchObject({ context_overflow: 'drop' });
  const { body } = await ada.patch(path, { context_overflow: 'summarise' }).expect(200);
  expect(body).toMatchObject({ context_overflow: 'summarise' });
  for (const context_overflow of ['forget', null]) {
    expectProblem(await ada.patch(path, { context_overflow }), 'validation_failed', ['/context_overflow']);
  }
  await request(t.server).get(path).expect(401);
});
