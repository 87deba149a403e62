import { Secret, TOTP } from 'otpauth';
import request, { type Response } from 'supertest';
import { EXAMPLE_IDS } from '../../src/platform/http/api-schema.js';
import { PASSWORD, type TestUser, TestUser as User } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { Mailbox } from '../support/mailbox.js';
import { readEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { type OpenApi, operationsOf } from '../support/validate-response.js';

type Body = Record<string, unknown>;

let t: TestApp;
let box: Mailbox;
let document: OpenApi;

beforeAll(async () => {
  box = await Mailbox.open();
  t = await createTestApp({ smtpUrl: box.url });
  document = (await request(t.server).get('/openapi.json').expect(200)).body as OpenApi;
});
afterAll(async () => {
  await t.close();
  await box.close();
});

/** The example of each body, by operation. */
function examples(): Map<string, { method: string; path: string; body: Body }> {
  const withBody = operationsOf(document).filter(({ operation }) => operation.requestBody !== undefined);
  return new Map(
    withBody.map(({ route, operation }) => {
      const [method, path] = route.split(' ') as [string, string];
      const body = operation.requestBody?.content['application/json']?.example as Body;
      return [operation.operationId, { method: method.toLowerCase(), path, body }];
    }),
  );
}

describe('the example of each request body', () => {
  let user: TestUser;
  let admin: TestUser;
  const sent = new Set<string>();

  beforeAll(async () => {
    user = await User.register(t);
    admin = await User.register(t);
    await t.database.query(`update users set role = 'admin' where id = $1`, [admin.id]);
  });

  /** Sends an example as it stands, but for the ids and secrets that only this server and this test know. */
  async function send(
    operationId: string,
    known: { ids?: Body; body?: Body; by?: TestUser | null } = {},
  ): Promise<Response> {
    const { method, path, body } = examples().get(operationId) as { method: 'post'; path: string; body: Body };
    const { ids = {}, by = user } = known;
    const text = Object.entries(EXAMPLE_IDS).reduce(
      (json, [name, id]) => json.replaceAll(id, String(ids[name] ?? id)),
      JSON.stringify({ ...body, ...known.body }),
    );
    const test = request(t.server)[method](path.replace(/:(\w+)/g, (_, name: string) => String(ids[name])));
    if (by !== null) void test.set('authorization', `Bearer ${by.accessToken}`);
    sent.add(operationId);
    const response = await test.type('json').send(text);
    if (response.status >= 300) expect({ operationId, body: response.text }).toEqual({ operationId });
    return response;
  }

  it('works for projects, prompts, conversations and answers', async () => {
    const project = ((await send('createProject')).body as { id: string }).id;
    const ids: Body = { project, project_id: project };
    await send('updateProject', { ids });
    ids.firstPrompt = ((await send('createProjectPrompt', { ids })).body as { id: string }).id;
    ids.secondPrompt = ((await send('createPrompt', { ids })).body as { id: string }).id;
    ids.prompt_id = ids.firstPrompt;
    await send('updatePrompt', { ids });
    await send('orderPrompts', { ids });
    ids.session_id = ((await send('createSession', { ids })).body as { id: string }).id;
    await send('updateSession', { ids });
    const turn = (await send('sendMessage', { ids })).body as { assistant_message: { id: string; status: string } };
    expect(turn.assistant_message.status).toBe('completed');
    ids.message_id = turn.assistant_message.id;
    await send('streamMessage', { ids });
    await send('regenerateMessage', { ids });
    await send('streamRegeneration', { ids });
    await send('rateMessage', { ids });
    await send('setProjectBudget', { ids });
    await send('setProviderKey', { ids });
  });

  it('works for account and admin settings', async () => {
    await send('updateMe');
    await send('createApiKey');
    await send('setMyBudget');
    await send('putPlan', { by: admin });
    const ids = { user_id: user.id };
    await send('putAccountLimits', { by: admin, ids });
    await send('capAccountBudget', { by: admin, ids });
  });

  it('works for registration and sign-in', async () => {
    const { body: signedIn } = (await send('register', { by: null })) as { body: { refresh_token: string } };
    const email = (examples().get('register')?.body as { email: string }).email;
    await send('login', { by: null });
    await send('refresh', { by: null, body: { refresh_token: signedIn.refresh_token } });
    await send('verifyEmail', { by: null, body: { token: await box.token(email) } });
    await send('forgotPassword', { by: null });
    await send('resetPassword', { by: null, body: { token: await box.token(email), new_password: PASSWORD } });
    const ada = user.by(((await send('login', { by: null })).body as { access_token: string }).access_token);
    const { secret } = (await send('startSecondFactor', { by: ada })).body as { secret: string };
    const code = new TOTP({ secret: Secret.fromBase32(secret) }).generate();
    const { body } = await send('confirmSecondFactor', { by: ada, body: { code } });
    const [first, second] = (body as { recovery_codes: string[] }).recovery_codes;
    const refused = await request(t.server).post('/auth/login').send({ email, password: PASSWORD }).expect(401);
    const { challenge } = refused.body as { challenge: string };
    await send('loginWithSecondFactor', { by: null, body: { challenge, code: first } });
    const { body: renewed } = await send('renewRecoveryCodes', { by: ada, body: { code: second } });
    const [third] = (renewed as { recovery_codes: string[] }).recovery_codes;
    await send('removeSecondFactor', { by: ada, body: { code: third } });
    await send('changePassword', { by: ada });
    const changed = (examples().get('changePassword')?.body as { new_password: string }).new_password;
    await send('deleteMe', { by: ada, body: { password: changed } });
  });

  it('has been sent for every operation with a body', () => {
    expect([...sent].sort()).toEqual([...examples().keys()].sort());
  });
});

describe('a response', () => {
  let ada: TestUser;
  let projectId: string;
  beforeAll(async () => {
    ada = await User.register(t);
    projectId = (await ada.project()).id;
  });

  it.each([
    ['POST /projects', '/projects', {}, { name: 'Guide' }],
    ['POST /prompts', '/prompts', { project_id: true }, { content: 'Be kind.' }],
    ['POST /chat/sessions', '/chat/sessions', { project_id: true }, {}],
  ])(
    'to %s has the Location of the new resource, also when it is repeated',
    async (_, path, { project_id }: Body, fields) => {
      const body = { ...fields, ...(project_id === true ? { project_id: projectId } : {}) };
      const key = `located-${path}`;
      const first = await ada.post(path, body).set('idempotency-key', key).expect(201);
      const { id } = first.body as { id: string };
      expect(first.headers).toMatchObject({ location: `${path}/${id}`, etag: '"1"' });
      expect((await ada.get(first.headers.location as string).expect(200)).body).toMatchObject({ id });
      const second = await ada.post(path, body).set('idempotency-key', key).expect(201);
      expect(second.headers).toMatchObject({
        location: first.headers.location,
        etag: '"1"',
        'idempotent-replayed': 'true',
      });
    },
  );

  it('to a background turn has the Location of its answer', async () => {
    const body = { project_id: projectId, message: 'Hi', background: true };
    const { headers, body: turn } = await ada.post('/chat', body).expect(202);
    const { assistant_message: answer } = turn as { assistant_message: { id: string } };
    expect(headers.location).toBe(`/chat/messages/${answer.id}`);
    await ada.get(headers.location as string).expect(200);
  });

  it.each(['a', 'trace-1', '4bf92f3577b34da6.00_F', 'x'.repeat(128)])(
    'keeps the request id %s of its request',
    async (id) => {
      const { headers, body } = await ada.get('/projects/nothing').set('x-request-id', id);
      expect([headers['x-request-id'], (body as { request_id: string }).request_id]).toEqual([id, id]);
    },
  );

  it.each(['a b', 'trace:0123456789', 'a/b', '<b>', '{"a":1}', 'x'.repeat(129)])(
    'does not keep the request id %j',
    async (id) => {
      const { headers } = await ada.get('/users/me').set('x-request-id', id);
      expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    },
  );
});

describe('a turn', () => {
  let ada: TestUser;
  let projectId: string;
  beforeAll(async () => {
    ada = await User.register(t);
    projectId = (await ada.project()).id;
  });
  const typeOf = async (accept: string, fields: Body = {}): Promise<string> => {
    const body = { project_id: projectId, message: 'Hi', ...fields };
    const { headers } = await ada.post('/chat', body).set('accept', accept).buffer(true).expect(200);
    return headers['content-type']?.split(';')[0] as string;
  };

  it.each([
    ['application/json, text/event-stream', 'application/json'],
    ['text/event-stream;q=0, */*', 'application/json'],
    ['text/event-stream', 'text/event-stream'],
    ['text/event-stream, application/json;q=0.5', 'text/event-stream'],
  ])('with Accept: %s is sent as %s', async (accept, type) => {
    expect(await typeOf(accept)).toBe(type);
  });

  it('is sent as its body asks, whatever Accept says', async () => {
    expect(await typeOf('text/event-stream', { stream: false })).toBe('application/json');
    expect(await typeOf('application/json', { stream: true })).toBe('text/event-stream');
  });

  it('streams events whose data has their type', async () => {
    const events = await readEvents(ada.post('/chat/stream', { project_id: projectId, message: 'Hi' }));
    expect(events.length).toBeGreaterThan(2);
    for (const { event, data } of events) expect(data.type).toBe(event);
    expect(textOf(events)).toBe('You said: Hi');
    expect(events.at(-1)?.data).toMatchObject({
      assistant_message: { text: 'You said: Hi', parts: [{ type: 'text', text: 'You said: Hi' }] },
    });
  });

  it('accepts parts, and returns the same parts and their text', async () => {
    const parts = [
      { type: 'text', text: 'What is this?' },
      { type: 'image', url: 'https://example.com/cat.png', detail: 'low' },
    ];
    const { body } = await ada.post('/chat', { project_id: projectId, parts }).expect(200);
    const { user_message: question } = body as { user_message: { id: string } };
    expect(question).toMatchObject({ text: 'What is this?', parts });
    expect(t.model.requests.at(-1)?.messages.at(-1)?.content).toEqual([
      parts[0],
      { type: 'image_url', image_url: { url: 'https://example.com/cat.png', detail: 'low' } },
    ]);
    expect((await ada.get(`/chat/messages/${question.id}`).expect(200)).body).toMatchObject({ parts });
  });

  it.each<[string, Body, string]>([
    ['no content', {}, '/message'],
    ['a message and parts', { message: 'Hi', parts: [{ type: 'text', text: 'Hi' }] }, '/parts'],
    ['no parts', { parts: [] }, '/parts'],
    ['a part that models cannot get yet', { parts: [{ type: 'audio', file_id: 'x' }] }, '/parts'],
    ['a part with unknown fields', { parts: [{ type: 'text', text: 'Hi', role: 'system' }] }, '/parts'],
    ['an image without an address', { parts: [{ type: 'image' }] }, '/parts'],
    ['an image with a script for an address', { parts: [{ type: 'image', url: 'javascript:x' }] }, '/parts'],
    ['a text part that is empty', { parts: [{ type: 'text', text: ' ' }] }, '/parts'],
  ])('is refused with %s', async (_, fields, pointer) => {
    const response = await ada.post('/chat/stream', { project_id: projectId, ...fields });
    expectProblem(response, 'validation_failed', [pointer]);
  });
});

describe('an id in a body or a query that does not exist', () => {
  const NOBODY = '01996f3a-7c1e-7d35-9b0a-4f6c2a8e1dff';
  let ada: TestUser;
  let own: { project_id: string; session_id: string };
  let bob: { project_id: string; session_id: string; message_id: string };
  beforeAll(async () => {
    ada = await User.register(t);
    const stranger = await User.register(t);
    const belongings = async (user: TestUser): Promise<typeof bob> => {
      const { id: project_id } = await user.project();
      const { session_id, assistant_message } = await user.turn({ project_id });
      return { project_id, session_id, message_id: assistant_message.id };
    };
    own = await belongings(ada);
    bob = await belongings(stranger);
  });

  const pointerOf = async (method: 'get' | 'post', path: string, body?: Body): Promise<unknown> => {
    const response = method === 'get' ? await ada.get(path) : await ada.post(path, body);
    expectProblem(response, 'not_found');
    return (response.body as { errors?: unknown }).errors;
  };
  const named = (pointer: string): object[] => [{ pointer, message: 'does not exist' }];

  it.each(['nobody', 'another user'])('is named when it is that of %s', async (whose) => {
    const { project_id, session_id, message_id } =
      whose === 'nobody' ? { project_id: NOBODY, session_id: NOBODY, message_id: NOBODY } : bob;
    const inProject = { project_id: own.project_id };
    const inSession = { session_id: own.session_id };
    for (const path of ['/chat', '/chat/stream']) {
      const send = (fields: Body): Promise<unknown> => pointerOf('post', path, { message: 'Hi', ...fields });
      expect(await send({ project_id })).toEqual(named('/project_id'));
      expect(await send({ session_id })).toEqual(named('/session_id'));
      expect(await send({ ...inProject, session_id })).toEqual(named('/session_id'));
      expect(await send({ ...inSession, project_id })).toEqual(named('/project_id'));
      expect(await send({ ...inSession, parent_id: message_id })).toEqual(named('/parent_id'));
    }
    expect(await pointerOf('post', '/prompts', { project_id, content: 'x' })).toEqual(named('/project_id'));
    expect(await pointerOf('post', '/chat/sessions', { project_id })).toEqual(named('/project_id'));
    const key = { name: 'Key', scopes: ['read'], project_id };
    expect(await pointerOf('post', '/auth/api-keys', key)).toEqual(named('/project_id'));
    expect(await pointerOf('get', `/prompts?project_id=${project_id}`)).toEqual(named('?project_id'));
    expect(await pointerOf('get', `/chat/sessions?project_id=${project_id}`)).toEqual(named('?project_id'));
    const messages = `/chat/sessions/${own.session_id}/messages?leaf_id=${message_id}`;
    expect(await pointerOf('get', messages)).toEqual(named('?leaf_id'));
  });
});
