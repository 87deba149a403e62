import { type MessageBody, TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { readEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

describe('a turn', () => {
  let t: TestApp;
  let ada: TestUser;
  let eve: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp();
    [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
  });
  beforeEach(async () => {
    project = await ada.project();
  });
  afterEach(() => t.model.always(null));
  afterAll(() => t.close());

  const storedMessages = async (sessionId: string): Promise<MessageBody[]> =>
    (
      (await ada.get(`/chat/sessions/${sessionId}/messages?view=all`).expect(200)).body as { data: MessageBody[] }
    ).data.map(withoutPlace);

  it('returns both messages and stores them', async () => {
    const turn = await ada.turn({ project_id: project.id, message: 'Good morning' });
    expect(turn.user_message).toMatchObject({
      role: 'user',
      content: 'Good morning',
      status: 'completed',
      parent_id: null,
    });
    expect(turn.assistant_message).toMatchObject({
      role: 'assistant',
      content: 'You said: Good morning',
      status: 'completed',
      finish_reason: 'stop',
      provider: 'openai',
      model: 'scripted',
      parent_id: turn.user_message.id,
      error: null,
      usage: { output_tokens: 22, estimated: false },
    });
    expect(await storedMessages(turn.session_id)).toEqual([turn.user_message, turn.assistant_message]);
  });

  it('sends the prompts in order, the history, and the question last', async () => {
    const first = await ada.prompt(project.id, 'You are a guide.');
    const second = await ada.prompt(project.id, 'Answer shortly.');
    await ada.put(`/projects/${project.id}/prompts/order`, { prompt_ids: [second.id, first.id] }).expect(200);
    const { session_id } = await ada.turn({ project_id: project.id, message: 'One' });
    await ada.turn({ session_id, message: 'Two' });
    expect(t.model.requests.at(-1)?.messages).toEqual([
      { role: 'system', content: 'Answer shortly.' },
      { role: 'system', content: 'You are a guide.' },
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'You said: One' },
      { role: 'user', content: 'Two' },
    ]);
  });

  it('prefers the model and params of the request to those of the project', async () => {
    await ada
      .patch(`/projects/${project.id}`, { model: 'of-project', params: { temperature: 1, seed: 7 } })
      .expect(200);
    await ada.turn({ project_id: project.id });
    expect(t.model.requests.at(-1)).toMatchObject({ model: 'of-project', temperature: 1, seed: 7 });
    await ada.turn({ project_id: project.id, model: 'of-request', params: { temperature: 0 } });
    expect(t.model.requests.at(-1)).toMatchObject({ model: 'of-request', temperature: 0, seed: 7 });
  });

  it('accepts content parts, returns them and sends them to the model', async () => {
    const message = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'https://example.com/cat.png' } },
    ];
    const turn = await ada.turn({ project_id: project.id, message });
    expect(turn.user_message.content).toEqual(message);
    expect(t.model.requests.at(-1)?.messages.at(-1)?.content).toEqual(message);
  });

  it('keeps a message that is only a picture in the history', async () => {
    const picture = [{ type: 'image_url', image_url: { url: 'https://example.com/cat.png' } }];
    const { session_id } = await ada.turn({ project_id: project.id, message: picture });
    await ada.turn({ session_id, message: 'What is on it?' });
    expect(t.model.requests.at(-1)?.messages[0]?.content).toEqual(picture);
  });

  it('stores the question before it calls the model', async () => {
    let seen: unknown[] = [];
    t.model.next(async (_request, answer) => {
      seen = await t.database.query('select role, content, status from messages order by id');
      answer.finish();
    });
    await ada.turn({ project_id: project.id, message: 'Before anything' });
    expect(seen).toContainEqual({ role: 'user', content: 'Before anything', status: 'completed' });
    expect(seen).toContainEqual({ role: 'assistant', content: '', status: 'pending' });
  });

  it('streams started, the deltas and one end, each with an id', async () => {
    const events = await readEvents(ada.post('/chat', { project_id: project.id, message: 'Hi', stream: true }));
    expect(events.map(({ event }) => event)).toEqual([
      'turn.started',
      ...events.slice(1, -1).map(() => 'message.delta'),
      'turn.completed',
    ]);
    expect(textOf(events)).toBe('You said: Hi');
    expect(events.every(({ id }) => id !== undefined && id !== '')).toBe(true);
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
    const { assistant_message } = events.at(-1)?.data as { assistant_message: MessageBody };
    expect(assistant_message.content).toBe('You said: Hi');
    expect(await storedMessages(assistant_message.session_id)).toContainEqual(assistant_message);
  });

  it('streams by the Accept header too', async () => {
    const events = await readEvents(
      ada.post('/chat', { project_id: project.id, message: 'Hi' }).set('accept', 'text/event-stream'),
    );
    expect(events.at(-1)?.event).toBe('turn.completed');
  });

  it('runs in the background and can be followed', async () => {
    const gate = t.model.hold('Thinking', ' done');
    const { body } = await ada.post('/chat', { project_id: project.id, message: 'Hi', background: true }).expect(202);
    const { assistant_message } = body as { assistant_message: MessageBody };
    expect(assistant_message).toMatchObject({ status: 'pending', content: '' });
    await gate.reached;
    const following = readEvents(ada.get(`/chat/messages/${assistant_message.id}/events`));
    gate.release();
    const events = await following;
    expect(events.map(({ event }) => event)).toEqual(
      expect.arrayContaining(['turn.started', 'message.delta', 'turn.completed']),
    );
    expect(textOf(events)).toBe('Thinking done');
  });

  it('returns the rest after any event of an ended turn', async () => {
    const {
      assistant_message: { id, content },
    } = await ada.turn({ project_id: project.id, message: 'Resume me' });
    for (let offset = 0; offset <= content.length; offset++) {
      const events = await readEvents(ada.get(`/chat/messages/${id}/events`).set('last-event-id', `1.${offset}`));
      expect(textOf(events)).toBe(content.slice(offset));
      expect(events.at(-1)?.event).toBe('turn.completed');
    }
    await ada.get(`/chat/messages/${id}/events?after=1.end`).expect(204);
    expectProblem(await ada.get(`/chat/messages/${id}/events?after=bogus`), 'validation_failed', ['?after']);
  });

  it('continues when the client disconnects', async () => {
    const gate = t.model.hold('Half', ' and whole');
    const leaving = ada.post('/chat', { project_id: project.id, message: 'Leave', stream: true });
    leaving.end(() => undefined);
    await gate.reached;
    leaving.abort();
    gate.release();
    const settled = async (): Promise<unknown[]> =>
      t.database.query(`select status from messages where content = 'Half and whole' and status = 'completed'`);
    await expectSoon(async () => expect(await settled()).toHaveLength(1));
  });

  it('can be stopped twice, keeps its text, and the next message is accepted at once', async () => {
    const gate = t.model.hold('So far');
    const started = (await ada.post('/chat', { project_id: project.id, message: 'Stop me', background: true }))
      .body as { session_id: string; assistant_message: MessageBody };
    await gate.reached;
    const { id } = started.assistant_message;
    const stopped = (await ada.post(`/chat/messages/${id}/stop`).expect(200)).body as MessageBody;
    expect(stopped).toMatchObject({ status: 'stopped', content: 'So far', usage: { estimated: true } });
    expect((await ada.post(`/chat/messages/${id}/stop`).expect(200)).body).toEqual(stopped);
    await ada.turn({ session_id: started.session_id, message: 'Next' });
  });

  it('refuses a second turn while one runs, without losing anything', async () => {
    const gate = t.model.hold();
    const { session_id } = (await ada.post('/chat', { project_id: project.id, message: 'First', background: true }))
      .body as { session_id: string };
    await gate.reached;
    expectProblem(await ada.post('/chat', { session_id, message: 'Second' }), 'turn_in_progress');
    expect(await storedMessages(session_id)).toHaveLength(2);
    gate.release();
  });

  it('gets a sibling by regenerate, and later turns follow it', async () => {
    const first = await ada.turn({ project_id: project.id, message: 'Tell me' });
    t.model.next((_request, answer) => {
      answer.delta('Another answer');
      answer.finish();
    });
    const second = (await ada.post(`/chat/messages/${first.assistant_message.id}/regenerate`, {}).expect(200))
      .body as typeof first;
    expect(second.user_message).toEqual(first.user_message);
    expect(second.assistant_message).toMatchObject({ content: 'Another answer', parent_id: first.user_message.id });
    await ada.turn({ session_id: first.session_id, message: 'And then?' });
    expect(t.model.requests.at(-1)?.messages).toEqual([
      { role: 'user', content: 'Tell me' },
      { role: 'assistant', content: 'Another answer' },
      { role: 'user', content: 'And then?' },
    ]);
    expect(await storedMessages(first.session_id)).toHaveLength(5);
  });

  it('branches from an earlier answer, and from the beginning', async () => {
    const first = await ada.turn({ project_id: project.id, message: 'One' });
    await ada.turn({ session_id: first.session_id, message: 'Two' });
    await ada.turn({ session_id: first.session_id, message: 'Two again', parent_id: first.assistant_message.id });
    expect(t.model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual([
      'One',
      'You said: One',
      'Two again',
    ]);
    await ada.turn({ session_id: first.session_id, message: 'Anew', parent_id: null });
    expect(t.model.requests.at(-1)?.messages.map(({ content }) => content)).toEqual(['Anew']);
    expectProblem(
      await ada.post('/chat', { session_id: first.session_id, message: 'x', parent_id: first.user_message.id }),
      'not_found',
    );
  });

  it('keeps the question and a failed answer when the provider fails, and regenerate then works', async () => {
    t.model.next((_request, answer) =>
      answer.refuse(401, { error: { message: 'canary-provider-text sk-test-canary' } }),
    );
    const response = await ada.post('/chat', { project_id: project.id, message: 'Fails' });
    expectProblem(response, 'provider_key_refused');
    expect(response.text).not.toMatch(/canary/);
    const { data: sessions } = (await ada.get(`/chat/sessions?project_id=${project.id}`)).body as {
      data: { id: string }[];
    };
    const [question, answer] = await storedMessages(sessions[0]?.id as string);
    expect(question).toMatchObject({ content: 'Fails', status: 'completed' });
    expect(answer).toMatchObject({ status: 'failed', error: { code: 'provider_key_refused' } });
    await ada.post(`/chat/messages/${answer?.id}/regenerate`, {}).expect(200);
  });

  it('ends a stream with turn.failed when the provider fails in the middle', async () => {
    t.model.next((_request, answer) => {
      answer.delta('Partial');
      setTimeout(() => answer.drop(), 50);
    });
    const events = await readEvents(ada.post('/chat', { project_id: project.id, message: 'Hi', stream: true }));
    expect(events.at(-1)).toMatchObject({
      event: 'turn.failed',
      data: { problem: { code: 'provider_disconnected' }, assistant_message: { status: 'failed', content: 'Partial' } },
    });
  });

  it('answers 422 when prompts and message are too large', async () => {
    await ada.prompt(project.id, 'word '.repeat(17_000));
    expectProblem(await ada.post('/chat', { project_id: project.id, message: 'Hi' }), 'context_too_large');
  });

  it.each([
    [{ message: 'x' }, ['/project_id']],
    [{ project_id: 'x', message: 'x' }, ['/project_id']],
    [{ message: '' }, ['/project_id', '/message']],
    [{ message: '  ' }, ['/project_id', '/message']],
    [{ message: 7 }, ['/project_id', '/message']],
    [{ message: 'a\0b' }, ['/project_id', '/message']],
    [{ message: [] }, ['/project_id', '/message']],
    [{ message: [{ type: 'audio' }] }, ['/project_id', '/message']],
    [{ message: 'x', role: 'system' }, ['/project_id', '/role']],
    [{ message: 'x', params: { temperature: 9 } }, ['/project_id', '/params/temperature']],
    [{ message: 'x', params: { colour: 1 } }, ['/project_id', '/params/colour']],
  ])('answers 422 with pointers for %j', async (body, pointers) => {
    expectProblem(
      await ada.post('/chat', body),
      'validation_failed',
      expect.arrayContaining(pointers) as unknown as string[],
    );
  });

  it('is hidden from other users', async () => {
    const { session_id, assistant_message, user_message } = await ada.turn({ project_id: project.id });
    const before = await t.database.query('select * from messages order by id');
    for (const response of [
      await eve.post('/chat', { project_id: project.id, message: 'x' }),
      await eve.post('/chat', { session_id, message: 'x' }),
      await eve.post('/chat', { session_id, message: 'x', stream: true }),
      await eve.post(`/chat/messages/${assistant_message.id}/regenerate`, {}),
      await eve.post(`/chat/messages/${user_message.id}/regenerate`, {}),
      await eve.post(`/chat/messages/${assistant_message.id}/stop`),
      await eve.get(`/chat/messages/${assistant_message.id}/events`),
      await eve.get(`/chat/messages/${assistant_message.id}`),
      await eve.get(`/chat/sessions/${session_id}/messages`),
    ]) {
      expectProblem(response, 'not_found');
    }
    expect(await t.database.query('select * from messages order by id')).toEqual(before);
  });
});

/** A message as the turn itself shows it: the list adds its siblings. */
function withoutPlace({ sibling_ids: _siblings, ...message }: MessageBody & { sibling_ids?: string[] }): MessageBody {
  return message;
}
