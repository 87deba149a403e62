import request, { type Response, type Test } from 'supertest';
import { type Scope, SCOPES } from '../../src/kernel/actor.js';
import { newId } from '../../src/kernel/ids.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { TestUser } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { setPrice } from '../support/ledger.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { type Attempt, type Ids, isDocs, PUBLIC, PUBLIC_WITH_IDS, WITH_IDS, WITHOUT_IDS } from './attempts.js';

/** Closed to every API key, whatever its scopes: the account, its sign-ins and its keys. */
const SIGN_IN_ONLY = [
  'POST /auth/logout',
  'GET /auth/sessions',
  'DELETE /auth/sessions/:sign_in_id',
  'GET /auth/api-keys',
  'POST /auth/api-keys',
  'DELETE /auth/api-keys/:api_key_id',
  'GET /auth/second-factor',
  'POST /auth/second-factor',
  'DELETE /auth/second-factor',
  'POST /auth/second-factor/confirm',
  'POST /auth/second-factor/recovery-codes',
  'GET /users/me',
  'GET /users/me/audit-events',
  'GET /users/me/export',
  'GET /admin/users',
  'GET /admin/usage',
  'GET /admin/users/:user_id',
  'GET /admin/users/:user_id/budget',
  'PUT /admin/users/:user_id/budget',
  'POST /admin/users/:user_id/disable',
  'POST /admin/users/:user_id/enable',
  'GET /admin/users/:user_id/limits',
  'PUT /admin/users/:user_id/limits',
  'GET /admin/plans',
  'PUT /admin/plans',
  'PATCH /users/me',
  'DELETE /users/me',
  'POST /users/me/password',
  'POST /auth/email/verification',
  'GET /projects/:project_id/provider-key',
  'PUT /projects/:project_id/provider-key',
  'DELETE /projects/:project_id/provider-key',
];

/** The bodies with which routes without an id succeed. */
const BODIES: Record<string, Record<string, unknown>> = {
  'POST /projects': { name: 'Mine' },
  'PUT /users/me/budget': { day_limit_micro_usd: 9_000_000, month_limit_micro_usd: null },
};

interface Document {
  paths: Record<
    string,
    Record<string, { 'x-scopes'?: Scope[]; security?: object[]; description: string; responses: object }>
  >;
}

let t: TestApp;
let ada: TestUser;
/** Ada's resources in the project that her key is bound to, and those in another project with each kind of message. */
let own: Ids;
let elsewhere: Ids[];
let hold: { release(): void };
let document: Document;
const keys: Record<string, string> = {};

beforeAll(async () => {
  t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000, llmFirstTokenTimeoutMs: 600_000 });
  // One attempt sets a budget, and then every model needs a price.
  await setPrice(t);
  ada = await TestUser.register(t);
  own = (await belongings())[0] as Ids;
  elsewhere = await belongings();
  const gate = t.model.hold();
  hold = gate;
  const { project_id } = elsewhere[0] as Ids;
  const running = await ada.post('/chat', { project_id, message: 'Wait', background: true }).expect(202);
  await gate.reached;
  const { assistant_message } = running.body as { assistant_message: { id: string } };
  elsewhere.push({ ...(elsewhere[0] as Ids), message_id: assistant_message.id });
  for (const scope of SCOPES) keys[scope] = (await ada.apiKey({ scopes: [scope] })).key;
  keys.all = (await ada.apiKey()).key;
  keys.bound = (await ada.apiKey({ project_id: own.project_id })).key;
  document = (await request(t.server).get('/openapi.json')).body as Document;
});
afterAll(async () => {
  hold.release();
  await t.close();
});

async function belongings(): Promise<Ids[]> {
  const { id: project_id } = await ada.project();
  const { id: prompt_id } = await ada.prompt(project_id);
  const turn = await ada.turn({ project_id, message: 'A secret' });
  return [turn.user_message.id, turn.assistant_message.id].map((message_id) => ({
    project_id,
    prompt_id,
    session_id: turn.session_id,
    message_id,
    api_key_id: newId(),
    sign_in_id: newId(),
    user_id: newId(),
  }));
}

/** All rows except API keys, whose time of last use changes meanwhile. */
const everything = async (): Promise<Record<string, string[]>> =>
  dump(
    t.database,
    (await readTables(t.database)).filter(({ name }) => name !== 'api_keys'),
  );

const unknownIds = (): Ids => Object.fromEntries(Object.keys(own).map((name) => [name, newId()])) as unknown as Ids;

function send(route: string, attempt: Attempt, ids: Ids, token: string): Test {
  const [method, pattern] = route.split(' ') as [string, string];
  const inPath = attempt.ownPath === true ? own : ids;
  const path = pattern.replace(/:(\w+)/g, (_, name: keyof Ids) => encodeURIComponent(inPath[name]));
  const verb = method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
  const test = request(t.server)[verb](path).buffer(true).set('authorization', `Bearer ${token}`);
  for (const [name, value] of Object.entries(attempt.headers ?? {})) test.set(name, value);
  if (attempt.query !== undefined) test.query(attempt.query(ids, own));
  return attempt.body === undefined ? test : test.send(attempt.body(ids, own));
}

/** Everything by which a client can distinguish two responses. */
function visible({ status, text, headers }: Response): unknown {
  const { date: _date, 'x-request-id': _id, 'content-length': _length, ...rest } = headers as Record<string, string>;
  return { status, text: text.replace(/"(request_id|instance)":"[^"]*"/g, '"$1":"…"'), headers: rest };
}

const CLOSED = [...Object.keys(WITH_IDS), ...WITHOUT_IDS].filter((route) => !PUBLIC.includes(route));
const OPEN_TO_KEYS = CLOSED.filter((route) => !SIGN_IN_ONLY.includes(route));
const attemptsOf = (route: string): Attempt[] => WITH_IDS[route] ?? [{ body: bodyOf(route) }];
const bodyOf = (route: string): Attempt['body'] =>
  BODIES[route] === undefined ? undefined : () => BODIES[route] ?? {};

describe('every route', () => {
  it('is public, names a scope, or is on the list of routes that need a sign-in', () => {
    const routes = new Set(
      t.app
        .get(RouteTable)
        .routes()
        .map(({ method, path }) => `${method} ${path}`),
    );
    const scoped = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, operation]) => operation['x-scopes'] !== undefined)
        .map(([method]) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    );
    expect([...routes].filter((route) => !isDocs(route)).sort()).toEqual(
      [...PUBLIC, ...PUBLIC_WITH_IDS, ...scoped, ...SIGN_IN_ONLY].sort(),
    );
  });

  it('says so in the OpenAPI document, with the refusal', () => {
    for (const [path, operations] of Object.entries(document.paths)) {
      for (const [method, { security, responses, description, 'x-scopes': scopes }] of Object.entries(operations)) {
        const route = `${method} ${path}`;
        if (security?.length === 0) continue;
        const access = description.split('\n').at(-1);
        const key = scopes === undefined ? null : `with the scope ${scopes.map((name) => `\`${name}\``).join(' or ')}.`;
        expect({ route, access }).toEqual({
          route,
          access: `Access: a sign-in${key === null ? '. API keys are refused.' : `, or an API key ${key}`}`,
        });
        expect({ route, names: Object.keys(responses) }).toEqual({
          route,
          names: expect.arrayContaining(['403']) as string[],
        });
      }
    }
  });
});

describe.each(SIGN_IN_ONLY)('%s', (route) => {
  it('refuses a key with all scopes, bound or not', async () => {
    for (const name of ['all', 'bound']) {
      for (const attempt of attemptsOf(route)) {
        expectProblem(await send(route, attempt, own, keys[name] as string), 'sign_in_required');
      }
    }
  });
});

describe.each(OPEN_TO_KEYS)('%s', (route) => {
  const cases = attemptsOf(route).map((attempt, index) => [index, attempt] as const);
  const scopes = (): Scope[] => {
    const [method, path] = route.split(' ') as [string, string];
    return document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()]?.['x-scopes'] as Scope[];
  };

  it('refuses a key without the scope, and accepts one with it', async () => {
    for (const scope of SCOPES) {
      const response = await send(route, attemptsOf(route)[0] as Attempt, unknownIds(), keys[scope] as string);
      if (!scopes().includes(scope)) expectProblem(response, 'insufficient_scope');
      else expect([401, 403]).not.toContain(response.status);
    }
  });

  if (route in WITH_IDS) {
    it.each(cases)("answers a bound key for another project's id as for an unknown one (%i)", async (_, attempt) => {
      const before = await everything();
      const unknown = await send(route, attempt, unknownIds(), keys.bound as string);
      expect(unknown.status).toBe(attempt.status ?? 404);
      for (const ids of elsewhere) {
        expect(visible(await send(route, attempt, ids, keys.bound as string))).toEqual(visible(unknown));
      }
      expect(await everything()).toEqual(before);
    });
  } else if (route.startsWith('GET')) {
    it('shows a bound key nothing of another project', async () => {
      const { text } = await send(route, {}, own, keys.bound as string);
      for (const ids of elsewhere) for (const id of Object.values(ids) as string[]) expect(text).not.toContain(id);
    });
  }

  it('refuses a key that was revoked, has expired, or whose user is disabled', async () => {
    const attempt = attemptsOf(route)[0] as Attempt;
    for (const refuse of [revoke, expire, disable]) {
      const eve = await TestUser.register(t);
      const { id, key } = await eve.apiKey();
      await refuse(eve, id);
      const response = await send(route, attempt, own, key);
      expectProblem(response, 'unauthenticated');
      expect(response.headers['www-authenticate']).toContain('Bearer');
    }
  });
});

const revoke = async (user: TestUser, id: string): Promise<unknown> => user.delete(`/auth/api-keys/${id}`).expect(204);
const expire = (_: TestUser, id: string): Promise<unknown> =>
  t.database.query(`update api_keys set expires_at = now() - interval '1 second' where id = $1`, [id]);
const disable = ({ id }: TestUser): Promise<unknown> =>
  t.database.query('update users set disabled_at = now() where id = $1', [id]);

describe('a bound key', () => {
  it('can do in its project what a sign-in can', async () => {
    const project_id = own.project_id;
    const bound = ada.by(keys.bound as string);
    expect((await bound.get('/projects').expect(200)).body).toMatchObject({ data: [{ id: project_id }] });
    await bound.patch(`/projects/${project_id}`, { description: 'By key' }).expect(200);
    const prompt = await bound.prompt(project_id);
    await bound.patch(`/prompts/${prompt.id}`, { content: 'Be brief.' }).expect(200);
    const turn = await bound.turn({ project_id });
    await bound.turn({ session_id: turn.session_id, message: 'And then?' });
    const { id } = turn.assistant_message;
    await bound.post(`/chat/messages/${id}/regenerate`, {}).expect(200);
    await bound.get(`/chat/messages/${id}/events`).expect(200);
    await bound.put(`/chat/messages/${id}/feedback`, { rating: 'up' }).expect(200);
    const listed = await bound.get(`/chat/sessions/${turn.session_id}/messages?view=all`).expect(200);
    expect((listed.body as { data: unknown[] }).data).toHaveLength(5);
    await bound.delete(`/chat/sessions/${turn.session_id}`).expect(204);
    await bound.delete(`/prompts/${prompt.id}`).expect(204);
  });

  it('streams, queues and stops there', async () => {
    const bound = ada.by(keys.bound as string);
    await bound.post('/chat', { project_id: own.project_id, message: 'Hi', stream: true }).expect(200);
    const session = await bound.session(own.project_id);
    const gate = t.model.hold('So far');
    const body = { session_id: session.id, message: 'Wait', background: true };
    const running = await bound.post('/chat', body).expect(202);
    await gate.reached;
    const queued = await bound.post('/chat', { ...body, on_conflict: 'queue' }).expect(202);
    for (const { body: turn } of [queued, running] as { body: { assistant_message: { id: string } } }[]) {
      await bound.post(`/chat/messages/${turn.assistant_message.id}/stop`).expect(200);
    }
    gate.release();
  });

  it('cannot create a project', async () => {
    expectProblem(await ada.by(keys.bound as string).post('/projects', { name: 'Mine' }), 'insufficient_scope');
  });

  it('does not see the Idempotency-Keys of its user', async () => {
    const bound = ada.by(keys.bound as string);
    const body = { project_id: own.project_id, content: 'Once.' };
    const first = await ada.post('/prompts', body).set('idempotency-key', 'same').expect(201);
    const second = await bound.post('/prompts', body).set('idempotency-key', 'same').expect(201);
    expect(second.headers['idempotent-replayed']).toBeUndefined();
    expect((second.body as { id: string }).id).not.toBe((first.body as { id: string }).id);
    const again = await bound.post('/prompts', body).set('idempotency-key', 'same').expect(201);
    expect(again.headers['idempotent-replayed']).toBe('true');
  });

  it('is deleted with its project', async () => {
    const project = await ada.project();
    const { id } = await ada.apiKey({ project_id: project.id });
    await ada.delete(`/projects/${project.id}`).expect(204);
    const { data } = (await ada.get('/auth/api-keys').expect(200)).body as { data: { id: string }[] };
    expect(data.map((key) => key.id)).not.toContain(id);
  });
});
