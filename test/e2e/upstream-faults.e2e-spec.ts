import { newId } from '../../src/kernel/ids.js';
import { ERROR_CATALOGUE } from '../../src/kernel/errors/error-catalogue.js';
import { FAULTS, KEY } from '../contract/wire-fault-table.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { RawUpstream } from '../support/raw-upstream.js';
import { readEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** Every fault of an upstream, as it is met from outside: what the client gets, and what is stored. */
describe('a turn whose upstream fails', () => {
  let t: TestApp;
  let upstream: RawUpstream;
  let project: { id: string };
  /** With deadlines that never interfere, and with some that are met at once. */
  let patient: TestUser;
  let hasty: TestUser;

  beforeAll(async () => {
    upstream = await RawUpstream.start();
    const patience = { llmFirstTokenTimeoutMs: 5000, llmIdleTimeoutMs: 5000, llmTotalTimeoutMs: 5000 };
    t = await createTestApp({ openaiBaseUrl: upstream.url, openaiApiKey: KEY, llmMaxAnswerChars: 2000, ...patience });
    const other = await t.another({ llmFirstTokenTimeoutMs: 200, llmIdleTimeoutMs: 100, llmTotalTimeoutMs: 300 });
    patient = await TestUser.register(t);
    hasty = patient.at(other.getHttpServer());
    project = await patient.project();
  });
  afterAll(async () => {
    await t.close();
    await upstream.close();
  });

  const stored = async (): Promise<{ question: MessageBody; answer: MessageBody }> => {
    const [session] = (
      (await patient.get(`/chat/sessions?project_id=${project.id}&limit=1`)).body as { data: [{ id: string }] }
    ).data;
    const { data } = (await patient.get(`/chat/sessions/${session.id}/messages`)).body as {
      data: [MessageBody, MessageBody];
    };
    return { question: data[0], answer: data[1] };
  };

  const cases = FAULTS.flatMap(({ name, stream }) => (stream === null ? [] : [[name, ...stream] as const]));

  it.each(cases)('settles, as JSON and streamed: %s', async (_, script, outcome) => {
    const isTimeout = !('text' in outcome) && outcome[0] === 'provider_timeout' && script[0] !== undefined;
    const user = isTimeout ? hasty : patient;
    // One failure after the other would open a circuit; each model has one of its own.
    const request = { project_id: project.id, message: 'Hi', model: newId() };

    upstream.answerWith(script);
    const plain = await user.post('/chat', request);
    const afterPlain = await stored();
    upstream.answerWith(script);
    const events = await readEvents(user.post('/chat', { ...request, stream: true }));
    const afterStream = await stored();
    const last = events.at(-1);

    for (const { question } of [afterPlain, afterStream])
      expect(question).toMatchObject({ content: 'Hi', status: 'completed' });
    expect(JSON.stringify([plain.headers, plain.body, events])).not.toContain(KEY);
    expect(await t.database.query('select 1 from turns')).toEqual([]);
    if ('text' in outcome) {
      expect(plain.status).toBe(200);
      expect((plain.body as TurnBody).assistant_message).toMatchObject({
        content: outcome.text,
        finish_reason: outcome.reason,
        status: 'completed',
      });
      expect([last?.event, textOf(events)]).toEqual(['turn.completed', outcome.text]);
      return;
    }
    const [code] = outcome;
    expectProblem(plain, code);
    expect(last).toMatchObject({
      event: 'turn.failed',
      data: { problem: { code, status: ERROR_CATALOGUE[code].status } },
    });
    expect(afterPlain.answer).toMatchObject({ status: 'failed', error: { code } });
    expect(afterStream.answer).toMatchObject({ status: 'failed', error: { code }, content: textOf(events) });
  });
});
