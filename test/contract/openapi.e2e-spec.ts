import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Secret, TOTP } from 'otpauth';
import request, { type Response, type Test } from 'supertest';
import { stableJson } from '../../src/cli/stable-json.js';
import { newId } from '../../src/kernel/ids.js';
import { openApiDocument } from '../../src/openapi.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { PASSWORD, type TestUser, TestUser as User, type TurnBody } from '../support/as-user.js';
import { Mailbox } from '../support/mailbox.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { type OpenApi, operationsOf, ResponseValidator, type Schema } from '../support/validate-response.js';

const CHECKED_IN = fileURLToPath(new URL('../../openapi.json', import.meta.url));

/** Routes that are about the contract itself, and so not part of it. */
const UNDOCUMENTED = /^GET \/(docs(\/.*)?|openapi\.(json|yaml))$/;

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

describe('the OpenAPI document', () => {
  it('is version 3.1 and served as JSON and as YAML', async () => {
    expect(document.openapi).toBe('3.1.0');
    const yaml = await request(t.server).get('/openapi.yaml').expect(200);
    expect(yaml.text).toMatch(/^openapi: 3\.1\.0/m);
  });

  it('is the checked-in openapi.json', () => {
    const generated = stableJson(openApiDocument(t.app));
    if (process.env.UPDATE_SNAPSHOTS === '1') writeFileSync(CHECKED_IN, generated);
    // `npm run openapi` writes it anew; what has changed is then to be seen in the diff of a commit.
    expect(generated).toBe(readFileSync(CHECKED_IN, 'utf8'));
    expect(JSON.parse(generated)).toEqual(document);
  });

  it('has exactly the routes of the server', () => {
    const routes = t.app
      .get(RouteTable)
      .routes()
      .map(({ method, path }) => `${method} ${path}`)
      .filter((route) => !UNDOCUMENTED.test(route));
    const documented = operationsOf(document).map(({ route }) => route);
    expect(documented.sort()).toEqual([...new Set(routes)].sort());
  });

  it('names every operation as a good method name for generators', () => {
    const ids = operationsOf(document).map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z]+([A-Z][a-z]+)*$/);
  });

  it('gives every operation one described tag, a summary and a description', () => {
    const tags = document.tags.map(({ name }) => name);
    for (const { route, operation } of operationsOf(document)) {
      expect({ route, tags: operation.tags?.length, known: tags.includes(operation.tags?.[0] as string) }).toEqual({
        route,
        tags: 1,
        known: true,
      });
      expect({ route, summary: operation.summary }).toEqual({
        route,
        summary: expect.stringMatching(/^[A-Z].{5,}[a-z]$/),
      });
      const [first, access] = (operation.description ?? '').split('\n\n');
      expect({ route, first, access }).toEqual({
        route,
        first: expect.stringMatching(/^[A-Z].{20,}\.$/),
        access: expect.stringMatching(/^Access: /),
      });
    }
    const used = new Set(operationsOf(document).map(({ operation }) => operation.tags?.[0]));
    expect(tags.filter((name) => !used.has(name))).toEqual([]);
  });

  it('describes errors as problems, and successes with their own schemas', () => {
    for (const { route, operation } of operationsOf(document)) {
      const statuses = Object.keys(operation.responses);
      expect({ route, successes: statuses.filter((status) => status.startsWith('2')).length > 0 }).toEqual({
        route,
        successes: true,
      });
      for (const [status, { content }] of Object.entries(operation.responses)) {
        const isError = !status.startsWith('2');
        if (isError) {
          expect({ route, status, content }).toEqual({
            route,
            status,
            content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
          });
        } else expect(Object.keys(content ?? {})).not.toContain('application/problem+json');
      }
      expect(statuses).toContain('default');
    }
  });

  it('declares the parameters of every path, and no header that clients cannot set', () => {
    for (const { route, operation } of operationsOf(document)) {
      const inPath = [...route.matchAll(/:(\w+)/g)].map(([, name]) => name);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      expect({ route, names: declared.map(({ name }) => name) }).toEqual({ route, names: inPath });
      expect(declared.every(({ required }) => required)).toBe(true);
      const headers = (operation.parameters ?? []).filter((parameter) => parameter.in === 'header');
      for (const { name } of headers) expect(['If-Match', 'Last-Event-ID', 'Idempotency-Key']).toContain(name);
    }
  });

  it('declares for every operation whether it needs a token', async () => {
    for (const { route, operation } of operationsOf(document)) {
      const [method, path] = route.split(' ') as [string, string];
      const verb = method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
      const response = await request(t.server)[verb](path.replace(/:\w+/g, newId()));
      const isOpen = operation.security?.length === 0;
      expect({ route, isOpen }).toEqual({
        route,
        isOpen: (response.body as { code?: string }).code !== 'unauthenticated',
      });
      if (!isOpen) expect(Object.keys(operation.responses)).toContain('401');
    }
  });

  it('has well-named schemas, all used, with valid examples', () => {
    const validator = new ResponseValidator(document);
    const used = new Set<string>();
    const visit = (node: unknown): void => {
      if (typeof node !== 'object' || node === null) return;
      const { $ref, example, ...rest } = node as Schema;
      if (typeof $ref === 'string' && !used.has($ref)) {
        used.add($ref);
        const target = document.components.schemas[$ref.replace('#/components/schemas/', '')];
        expect({ $ref, isThere: target !== undefined }).toEqual({ $ref, isThere: true });
        visit(target);
      }
      if (example !== undefined && 'type' in rest) {
        expect({ example, problems: validator.problems(rest as Schema, example) }).toEqual({ example, problems: [] });
      }
      Object.values(rest).forEach(visit);
    };
    visit(document.paths);
    const names = Object.keys(document.components.schemas);
    expect([...used].map(($ref) => $ref.split('/').at(-1)).sort()).toEqual(names.sort());
    for (const name of names) {
      expect(name).toMatch(/^[A-Z][A-Za-z]+$/);
      expect(name).not.toMatch(/Dto$|Entity$/);
    }
  });
});

describe('the answers of the server', () => {
  let validator: ResponseValidator;
  let ada: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    validator = new ResponseValidator(document);
    ada = await User.register(t);
    project = await ada.project();
  });

  /** Sends a request, holds the answer against the document, and returns its body. */
  async function checked<T>(test: Test, status: number): Promise<T> {
    const response: Response = await test.buffer(true);
    if (response.status !== status) expect({ status: response.status, body: response.text }).toEqual({ status });
    validator.check(response);
    return response.body as T;
  }

  const open = (method: 'get' | 'post', path: string, body?: object): Test =>
    request(t.server)[method](path).send(body);

  it('to sign-in', async () => {
    const email = `${newId()}@example.com`;
    const credentials = { email, password: PASSWORD };
    const { refresh_token } = await checked<{ refresh_token: string }>(
      open('post', '/auth/register', { ...credentials, display_name: 'Bea' }),
      201,
    );
    await checked(open('post', '/auth/register', credentials), 409);
    await checked(open('post', '/auth/register', { email: 'x', password: 'y', role: 'admin' }), 422);
    await checked(open('post', '/auth/login', credentials), 200);
    await checked(open('post', '/auth/login').type('form').send({ username: email, password: PASSWORD }), 200);
    await checked(open('post', '/auth/login', { email, password: 'wrong' }), 401);
    await checked(open('post', '/auth/refresh', { refresh_token }), 200);
    await checked(open('post', '/auth/refresh', { refresh_token: 'prt_x' }), 401);
    await checked(open('post', '/auth/login').type('json').send('{"email":'), 400);
    await checked(open('post', '/auth/login').type('text/plain').send('hello'), 415);
    await checked(open('post', '/auth/login', { password: 'x'.repeat(1_100_000) }), 413);
  });

  it('about the second factor', async () => {
    type Codes = { recovery_codes: string[] };
    const user = await User.register(t);
    const path = '/auth/second-factor';
    await checked(user.post(path, { password: 'wrong' }), 422);
    const { secret } = await checked<{ secret: string }>(user.post(path, { password: PASSWORD }), 201);
    await checked(user.post(`${path}/recovery-codes`, { password: PASSWORD, code: 'x' }), 409);
    const code = new TOTP({ secret: Secret.fromBase32(secret) }).generate();
    const { recovery_codes: codes } = await checked<Codes>(user.post(`${path}/confirm`, { code }), 200);
    await checked(user.get(path), 200);
    const credentials = { email: user.email, password: PASSWORD };
    const { challenge } = await checked<{ challenge: string }>(open('post', '/auth/login', credentials), 401);
    await checked(open('post', '/auth/login/second-factor', { challenge, code }), 401);
    await checked(open('post', '/auth/login/second-factor', { challenge, code: codes[0] }), 200);
    const proof = { password: PASSWORD, code: codes[1] };
    const renewed = await checked<Codes>(user.post(`${path}/recovery-codes`, proof), 200);
    await checked(user.delete(path).send({ password: PASSWORD, code: renewed.recovery_codes[0] }), 204);
  });

  it('about emails and the tokens in them', async () => {
    const user = await User.register(t);
    const { email } = user;
    await box.next(email);
    await checked(open('post', '/auth/password/forgot', { email }), 202);
    await checked(open('post', '/auth/password/forgot', { email: 'x' }), 422);
    await checked(user.post('/auth/email/verification'), 202);
    const reset = async (token: string, status: number): Promise<unknown> =>
      checked(open('post', '/auth/password/reset', { token, new_password: 'another one' }), status);
    const [first, second] = [await box.token(email), await box.token(email)];
    const [resetToken, verifyToken] = first.startsWith('ppr_') ? [first, second] : [second, first];
    await checked(open('post', '/auth/email/verify', { token: verifyToken }), 204);
    await checked(open('post', '/auth/email/verify', { token: 'x' }), 422);
    await reset(resetToken, 204);
    await reset(resetToken, 422);
    const limited = (await t.another({ mailRequestsPerAddress: 1 })).getHttpServer();
    for (const status of [202, 429]) {
      await checked(request(limited).post('/auth/password/forgot').send({ email }), status);
    }
  });

  it("about the user's own account", async () => {
    const user = await User.register(t);
    await checked(user.get('/users/me'), 200);
    await checked(user.get('/users/me/audit-events?limit=1'), 200);
    await checked(user.get('/admin/users'), 403);
    const admin = await User.register(t);
    await t.database.query(`update users set role = 'admin' where id = $1`, [admin.id]);
    await checked(admin.get('/admin/users?limit=1'), 200);
    await checked(admin.get(`/admin/users/${user.id}`), 200);
    await checked(admin.get(`/admin/users/${newId()}`), 404);
    await checked(admin.get('/admin/usage'), 200);
    await checked(admin.get('/admin/usage?from=yesterday'), 422);
    await checked(admin.get('/admin/plans'), 200);
    await checked(admin.put('/admin/plans', { name: 'slow', requests_per_minute: 1 }), 200);
    await checked(admin.put('/admin/plans', { name: 'No Name' }), 422);
    const cleo = await User.register(t);
    await checked(admin.get(`/admin/users/${cleo.id}/limits`), 200);
    await checked(admin.put(`/admin/users/${cleo.id}/limits`, { plan: 'slow' }), 200);
    await checked(admin.put(`/admin/users/${cleo.id}/limits`, { plan: 'none' }), 422);
    const { id: project_id } = await cleo.project();
    for (const status of [200, 429]) await checked(cleo.post('/chat', { project_id, message: 'Hi' }), status);
    const bea = await User.register(t);
    await checked(admin.post(`/admin/users/${bea.id}/disable`), 200);
    await checked(admin.post(`/admin/users/${admin.id}/disable`), 409);
    const caps = { day_cap_micro_usd: 1, month_cap_micro_usd: null };
    await checked(admin.put(`/admin/users/${bea.id}/budget`, caps), 200);
    await checked(admin.put(`/admin/users/${bea.id}/budget`, {}), 422);
    await checked(admin.put(`/admin/users/${newId()}/budget`, caps), 404);
    await checked(admin.get(`/admin/users/${bea.id}/budget`), 200);
    await checked(admin.post(`/admin/users/${bea.id}/enable`), 200);
    await checked(user.patch('/users/me', { display_name: 'Bea' }), 200);
    await checked(user.get('/users/me/export'), 200);
    await checked(user.patch('/users/me', { display_name: '' }), 422);
    await checked(user.post('/users/me/password', { current_password: PASSWORD, new_password: 'another one' }), 204);
    await checked(user.post('/users/me/password', { current_password: 'x', new_password: 'another one' }), 422);
    await checked((await User.register(t)).post('/auth/logout'), 204);
    await checked(user.erase('not it'), 422);
    const erased = await user.erase('another one');
    validator.check(erased);
    await checked(open('get', erased.headers['erasure-receipt'] as string), 200);
    await checked(open('get', `/erasure-receipts/${newId()}`), 404);
    await checked(user.get('/users/me'), 401);
  });

  it('about sign-ins and API keys', async () => {
    const user = await User.register(t);
    await checked(user.get('/auth/sessions'), 200);
    const second = await checked<{ access_token: string }>(
      open('post', '/auth/login', { email: user.email, password: PASSWORD }),
      200,
    );
    const { data } = await checked<{ data: { id: string }[] }>(user.get('/auth/sessions?limit=1'), 200);
    await checked(user.delete(`/auth/sessions/${data[0]?.id}`), 204);
    await checked(user.delete(`/auth/sessions/${data[0]?.id}`), 404);
    await checked(user.by(second.access_token).get('/auth/sessions'), 401);
    const { id: project_id } = await user.project();
    const fields = { name: 'Report', scopes: ['read'], project_id, expires_at: '2099-01-01T00:00:00Z' };
    const { id, key } = await checked<{ id: string; key: string }>(user.post('/auth/api-keys', fields), 201);
    await checked(user.post('/auth/api-keys', { name: 'Report', scopes: [] }), 422);
    await checked(user.post('/auth/api-keys', { ...fields, project_id: newId() }), 404);
    await checked(user.get('/auth/api-keys'), 200);
    await checked(user.by(key).get(`/projects/${project_id}`), 200);
    await checked(user.by(key).delete(`/projects/${project_id}`), 403);
    await checked(user.by(key).get('/auth/api-keys'), 403);
    await checked(user.delete(`/auth/api-keys/${id}`), 204);
    await checked(user.delete(`/auth/api-keys/${id}`), 404);
  });

  it('about projects', async () => {
    const everything = {
      name: 'Guide',
      description: 'Of Lisbon',
      provider: 'openai',
      model: 'm',
      params: { temperature: 0.5, max_output_tokens: 10, stop: ['END'], seed: 1, top_p: 1 },
    };
    const { id } = await checked<{ id: string }>(ada.post('/projects', everything), 201);
    await checked(ada.post('/projects', { name: 'Bare' }), 201);
    await checked(ada.post('/projects', {}), 422);
    const { next_cursor } = await checked<{ next_cursor: string }>(ada.get('/projects?limit=1'), 200);
    await checked(ada.get(`/projects?limit=1&cursor=${next_cursor}`), 200);
    await checked(ada.get('/projects?cursor=bogus'), 400);
    await checked(ada.get('/projects?limit=0'), 422);
    await checked(ada.get(`/projects/${id}`), 200);
    await checked(ada.get(`/projects/${newId()}`), 404);
    await checked(ada.patch(`/projects/${id}`, { name: 'Other', model: null, params: {} }), 200);
    await checked(ada.patch(`/projects/${id}`, { name: 'Other' }).set('if-match', '"999"'), 412);
    const key = { provider: 'custom', api_key: 'sk-of-a-user-0123456789', base_url: 'https://8.8.8.8/v1' };
    const limits = { day_limit_micro_usd: 5, month_limit_micro_usd: null };
    for (const path of ['/users/me/budget', `/projects/${id}/budget`]) {
      await checked(ada.put(path, limits), 200);
      await checked(ada.put(path, {}), 422);
      await checked(ada.get(path), 200);
      await checked(ada.post('/chat', { project_id: id, message: 'Unpriced' }), 422);
      await checked(ada.put(path, { day_limit_micro_usd: null, month_limit_micro_usd: null }), 200);
    }
    await checked(ada.get('/users/me/usage?group_by=project'), 200);
    await checked(ada.get('/users/me/usage?to=tomorrow'), 422);
    await checked(ada.get(`/projects/${id}/usage`), 200);
    await checked(ada.get(`/projects/${newId()}/usage`), 404);
    await checked(ada.get(`/projects/${newId()}/budget`), 404);
    await checked(ada.get(`/projects/${id}/provider-key`), 404);
    await checked(ada.put(`/projects/${id}/provider-key`, key), 200);
    await checked(ada.put(`/projects/${id}/provider-key`, { ...key, base_url: 'https://127.1/v1' }), 422);
    await checked(ada.get(`/projects/${id}/provider-key`), 200);
    await checked(ada.delete(`/projects/${id}/provider-key`), 204);
    await checked(ada.get(`/projects/${id}/models`), 200);
    await checked(ada.get(`/projects/${newId()}/models`), 404);
    await checked(ada.delete(`/projects/${id}`), 204);
  });

  it('about prompts', async () => {
    const first = await checked<{ id: string }>(ada.post(`/projects/${project.id}/prompts`, { content: 'One' }), 201);
    const second = await checked<{ id: string }>(
      ada.post('/prompts', { project_id: project.id, name: 'Two', content: 'Two' }),
      201,
    );
    await checked(ada.get(`/projects/${project.id}/prompts`), 200);
    await checked(ada.get(`/prompts?project_id=${project.id}&limit=1`), 200);
    await checked(ada.get('/prompts'), 422);
    await checked(ada.put(`/projects/${project.id}/prompts/order`, { prompt_ids: [second.id, first.id] }), 200);
    await checked(ada.put(`/projects/${project.id}/prompts/order`, { prompt_ids: [second.id] }), 422);
    await checked(ada.get(`/prompts/${first.id}`), 200);
    await checked(ada.patch(`/prompts/${first.id}`, { content: 'Anew', name: null }), 200);
    await checked(ada.delete(`/prompts/${second.id}`), 204);
    await checked(ada.delete(`/prompts/${second.id}`), 404);
  });

  it('to a turn: as JSON, in the background and failed', async () => {
    const turn = await checked<TurnBody>(ada.post('/chat', { project_id: project.id, message: 'Hi' }), 200);
    const { session_id } = turn;
    const parts = [
      { type: 'text', text: 'What is this?' },
      { type: 'image_url', image_url: { url: 'https://example.com/cat.png', detail: 'low' } },
    ];
    await checked(ada.post('/chat', { session_id, message: parts }), 200);
    await checked(ada.post('/chat', { session_id, parts: [{ type: 'text', text: 'And this?' }] }), 200);
    await checked(ada.post('/chat', { session_id }), 422);
    await checked(ada.post('/chat', { project_id: newId(), message: 'Hi' }), 404);
    const gate = t.model.hold('So far');
    const running = await checked<TurnBody>(ada.post('/chat', { session_id, message: 'Wait', background: true }), 202);
    await gate.reached;
    await checked(ada.post('/chat', { session_id, message: 'Too soon' }), 409);
    await checked(ada.post(`/chat/messages/${running.assistant_message.id}/stop`), 200);
    t.model.next((_request, answer) => answer.refuse(401));
    await checked(ada.post('/chat', { session_id, message: 'Fails' }), 502);
    t.model.next((_request, answer) => answer.refuse(429));
    await checked(ada.post('/chat', { session_id, message: 'Fails' }), 503);
    await checked(ada.post(`/chat/messages/${turn.assistant_message.id}/regenerate`, {}), 200);
    await checked(ada.get(`/chat/sessions/${session_id}/messages?limit=100`), 200);
  });

  it('as streams', async () => {
    const stream = (fields: object): Promise<unknown> =>
      checked(ada.post('/chat/stream', { project_id: project.id, message: 'Hi', ...fields }), 200);
    await stream({});
    t.model.next((_request, answer) => {
      answer.delta('Partial');
      setTimeout(() => answer.drop(), 20);
    });
    await stream({});
    const gate = t.model.hold('So far');
    const stopped = stream({});
    await gate.reached;
    const [session] = (await ada.get(`/chat/sessions?project_id=${project.id}&limit=1`)).body.data as { id: string }[];
    const { data } = (await ada.get(`/chat/sessions/${session?.id}/messages?order=desc`)).body as {
      data: { id: string }[];
    };
    await checked(ada.post(`/chat/messages/${data[0]?.id}/stop`), 200);
    await stopped;
    const { assistant_message: answer } = await ada.turn({ project_id: project.id });
    await checked(ada.get(`/chat/messages/${answer.id}/events`), 200);
    await checked(ada.get(`/chat/messages/${answer.id}/events?after=1.2`), 200);
    await checked(ada.get(`/chat/messages/${answer.id}/events?after=1.end`), 204);
    await checked(ada.get(`/chat/messages/${answer.id}/events?after=x`), 422);
    await checked(ada.post(`/chat/messages/${answer.id}/regenerate/stream`), 200);
  });

  it('about sessions and messages', async () => {
    const session = await checked<{ id: string }>(
      ada.post('/chat/sessions', { project_id: project.id, title: 'Trip', metadata: { a: [1, null] } }),
      201,
    );
    const path = `/chat/sessions/${session.id}`;
    await checked(ada.get(path), 200);
    await checked(ada.patch(path, { title: null, archived: true, pinned: true, metadata: {} }), 200);
    await checked(ada.patch(path, { title: 'x' }).set('if-match', '"77"'), 412);
    await checked(ada.get(`/chat/sessions?project_id=${project.id}&archived=true`), 200);
    await checked(ada.get(`/chat/sessions?project_id=${project.id}&limit=1`), 200);
    const { user_message, assistant_message } = await ada.turn({ session_id: session.id });
    await checked(ada.get(`/chat/messages/${user_message.id}`), 200);
    await checked(ada.get(`/chat/messages/${assistant_message.id}`), 200);
    const feedback = `/chat/messages/${assistant_message.id}/feedback`;
    await checked(ada.put(feedback, { rating: 'up', comment: 'Nice' }), 200);
    await checked(ada.put(feedback, { rating: 'sideways' }), 422);
    await checked(ada.delete(feedback), 204);
    await checked(ada.delete(path), 204);
    await checked(ada.get(`${path}/messages`), 404);
  });

  it('about the provider and its health', async () => {
    await checked(ada.get('/llm/models'), 200);
    await checked(ada.get('/llm/health'), 200);
    await checked(open('get', '/llm/health'), 401);
    await checked(open('get', '/.well-known/jwks.json'), 200);
    await checked(open('get', '/health/live'), 200);
    await checked(open('get', '/health/ready'), 200);
  });

  it('were tested for every operation with a success', () => {
    const succeeded = new Set([...validator.seen].filter((key) => / 2\d\d$/.test(key)).map((key) => key.split(' ')[0]));
    expect([...succeeded].sort()).toEqual(
      operationsOf(document)
        .map(({ operation }) => operation.operationId)
        .sort(),
    );
  });

  it('would fail with an undocumented field', () => {
    const [live] = operationsOf(document).filter(({ operation }) => operation.operationId === 'getLiveness');
    const schema = live?.operation.responses['200']?.content?.['application/json']?.schema as Schema;
    expect(validator.problems(schema, { status: 'ok' })).toEqual([]);
    expect(validator.problems(schema, { status: 'ok', secret: 1 })).toHaveLength(1);
    expect(validator.problems(schema, {})).toHaveLength(1);
  });
});

describe('the documentation page', () => {
  it.each(['/docs', '/docs/'])('loads at %s with all its files, under its own policy', async (path) => {
    const page = await request(t.server)
      .get(path)
      .redirects(1)
      .expect(200)
      .expect('content-type', /^text\/html/);
    const policy = page.headers['content-security-policy'] as string;
    expect(policy).toContain("script-src 'self'");
    expect(policy).toContain("connect-src 'self'");
    expect(policy).toContain("frame-ancestors 'none'");
    // The policy admits no script inside the page, so there must be none.
    expect(page.text).not.toMatch(/<script(?![^>]*\bsrc=)[^>]*>\s*\S/);
    const base = (page as unknown as { request: { url: string } }).request.url;
    const assets = [...page.text.matchAll(/(?:href|src)="([^"]+\.(?:css|js|png))"/g)].map(
      ([, link]) => new URL(link as string, base).pathname,
    );
    expect(assets).toEqual(expect.arrayContaining(['/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css']));
    for (const asset of assets) {
      const { status } = await request(t.server).get(asset);
      expect({ asset, status }).toEqual({ asset, status: 200 });
    }
  });

  it('has a filter, keeps the order of the document, and authorizes with an access token', async () => {
    const { text } = await request(t.server).get('/docs/swagger-ui-init.js').expect(200);
    expect(text).toMatch(/"filter": true/);
    expect(text).not.toContain('Sorter');
    expect(text).toMatch(/responseInterceptor[^]*preauthorizeApiKey\(['"]bearer['"]/);
  });

  it('can be turned off while the document stays', async () => {
    const app = await t.another({ docsEnabled: false });
    await request(app.getHttpServer()).get('/docs').expect(404);
    await request(app.getHttpServer()).get('/openapi.json').expect(200);
  });
});
