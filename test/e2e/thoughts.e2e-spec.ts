import { setTimeout as sleep } from 'node:timers/promises';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectSoon } from '../support/expect-soon.js';
import { driftOf, entriesOf, setPrice } from '../support/ledger.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** Models that think before they answer, as they are met from outside. */
describe('a model that thinks', () => {
  let t: TestApp;
  let ada: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({
      llmFirstTokenTimeoutMs: 400,
      llmIdleTimeoutMs: 400,
      turnFlushMs: 30,
      titleModel: undefined,
    });
    // A micro-dollar for a token that is said.
    await setPrice(t);
  });
  beforeEach(async () => {
    ada = await TestUser.register(t);
    project = await ada.project();
  });
  afterAll(() => t.close());

  it('answers, though its thoughts take longer than the deadlines of silence, and is called once', async () => {
    const before = t.model.requests.length;
    t.model.next(async (_request, answer) => {
      for (let place = 0; place < 12; place++) {
        answer.think('Still thinking. ');
        await sleep(100);
      }
      answer.delta('Forty-two');
      answer.finish();
    });
    const { assistant_message } = await ada.turn({ project_id: project.id });
    expect(assistant_message).toMatchObject({ status: 'completed', content: 'Forty-two' });
    expect(t.model.requests.length - before).toBe(1);
  });

  it('is charged for the thoughts of an answer that is stopped before its first word', async () => {
    await ada.put('/users/me/budget', { day_limit_micro_usd: 1_000_000, month_limit_micro_usd: null }).expect(200);
    let hasThought = (): void => undefined;
    const thought = new Promise<void>((resolve) => (hasThought = resolve));
    t.model.next(async (_request, answer) => {
      answer.think('x'.repeat(400));
      hasThought();
      await answer.closed;
    });
    const request = { project_id: project.id, message: 'Go', background: true };
    const { id } = ((await ada.post('/chat', request).expect(202)).body as TurnBody).assistant_message;
    await thought;
    await sleep(200);
    const stopped = (await ada.post(`/chat/messages/${id}/stop`).expect(200)).body as MessageBody;
    expect(stopped).toMatchObject({ status: 'stopped', content: '' });
    const entries = await expectSoon(async () => {
      const found = await entriesOf(t, ada);
      expect(found).toHaveLength(1);
      return found;
    });
    expect(entries).toMatchObject([
      { status: 'stopped', output_tokens: 100, is_estimated: true, cost_micro_usd: 100, generation_id: 'gen-1' },
    ]);
    expect(await driftOf(t)).toEqual([]);
  });

  it('is shown neither in the text of an answer, nor in the next request, nor in the name of the session', async () => {
    const titled = await t.another({ titleModel: 'namer' });
    const user = ada.at(titled.getHttpServer());
    t.model.next((_request, answer) => {
      for (const text of ['<th', 'ink>Secret', ' thought</think>', '\n\nAn answer']) answer.delta(text);
      answer.finish();
    });
    t.model.next((_request, answer) => {
      answer.delta('<think>\nSecret thought\n</think>\n\nA name');
      answer.finish();
    });
    const { session_id: sessionId, assistant_message } = await user.turn({ project_id: project.id });
    expect(assistant_message.content).toBe('An answer');
    await expectSoon(async () => {
      const session = (await user.get(`/chat/sessions/${sessionId}`).expect(200)).body as { title: string };
      expect(session.title).toBe('A name');
    });
    await user.turn({ session_id: sessionId });
    expect(JSON.stringify(t.model.requests.slice(-2))).not.toContain('Secret');
    await titled.close();
  });
});
