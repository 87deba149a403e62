import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import request, { type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { TestUser } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { NOTHING_RUNS } from '../support/nothing-runs.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp();
  await t.app.listen(0, '127.0.0.1');
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

const send = (path: string, body: string, type = 'application/json'): Test =>
  request(t.server)
    .post(path)
    .set({ authorization: `Bearer ${ada.accessToken}`, 'content-type': type })
    .send(body);

const portOf = (server: TestApp['server']): number => (server.address() as AddressInfo).port;

/** Opens a socket; what comes back is collected in `text`. */
async function dial(
  server: TestApp['server'],
): Promise<{ socket: Socket; text: () => string; closed: Promise<unknown> }> {
  const socket = connect(portOf(server), '127.0.0.1');
  let answer = '';
  socket.setEncoding('latin1').on('data', (text: string) => (answer += text));
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  await once(socket, 'connect');
  return { socket, text: () => answer, closed };
}

async function raw(bytes: string): Promise<string> {
  const { socket, text, closed } = await dial(t.server);
  socket.write(bytes, 'latin1');
  await Promise.race([closed, sleep(1000, null, { ref: false })]);
  socket.destroy();
  return text();
}

describe('a body', () => {
  const routes = ['/auth/register', '/auth/login', '/auth/refresh', '/projects', '/chat', '/chat/sessions', '/prompts'];

  it.each(routes)('that is nested too deeply is refused by POST %s before it is processed', async (route) => {
    expectProblem(await send(route, '['.repeat(50_000) + ']'.repeat(50_000)), 'validation_failed', ['']);
    expectProblem(await send(route, '{"a":'.repeat(40) + '1' + '}'.repeat(40)), 'validation_failed', ['/a']);
  });

  it('with too many values or names is refused', async () => {
    const numbers = JSON.stringify({ name: 'x', params: { stop: Array.from({ length: 30_000 }, () => 1) } });
    const names = JSON.stringify(Object.fromEntries(Array.from({ length: 30_000 }, (_, i) => [`n${i}`, 1])));
    expectProblem(await send('/projects', numbers), 'validation_failed', ['/params']);
    expectProblem(await send('/projects', names), 'validation_failed', ['']);
  });

  it.each(['__proto__', 'constructor":{"prototype'])('with the key %s is refused at any depth', async (key) => {
    const close = key.includes('{') ? '}' : '';
    const body = `{"name":"x","params":{"${key}":{"temperature":1}}${close}}`;
    const answer = await send('/projects', body);
    expect([400, 422]).toContain(answer.status);
    expect(({} as { temperature?: number }).temperature).toBeUndefined();
  });

  it('as an HTML form is accepted by sign-in only', async () => {
    const form = 'application/x-www-form-urlencoded';
    const login = await send('/auth/login', `username=${ada.email}&password=correct+horse+battery`, form);
    expect(login.status).toBe(200);
    for (const route of routes.filter((path) => path !== '/auth/login')) {
      expectProblem(await send(route, 'name=x', form), 'unsupported_media_type');
    }
    expectProblem(await send('/nowhere', 'name=x', form), 'not_found');
  });

  it('with null for a model setting is refused with a pointer', async () => {
    expectProblem(await ada.post('/projects', { name: 'x', params: { temperature: null } }), 'validation_failed', [
      '/params/temperature',
    ]);
    const { id } = await ada.project();
    expectProblem(
      await ada.post('/chat', { project_id: id, message: 'x', params: { stop: null } }),
      'validation_failed',
      ['/params/stop'],
    );
    expect(t.model.requests).toEqual([]);
  });
});

describe('a slow client', () => {
  let server: TestApp['server'];

  beforeAll(async () => {
    const app = await t.another({ requestTimeoutMs: 1000 });
    await app.listen(0, '127.0.0.1');
    server = app.getHttpServer();
  });

  it.each([
    ['headers', 'GET /health/live HTTP/1.1\r\nhost: x\r\n', 'x-slow: 1\r\n'],
    [
      'a body',
      'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n',
      ' ',
    ],
  ])('that sends %s drop by drop gets 408 and is disconnected, while others are served', async (_what, start, drip) => {
    const slow = await Promise.all(Array.from({ length: 20 }, () => dial(server)));
    for (const { socket } of slow) socket.write(start);
    const dripping = setInterval(() => slow.forEach(({ socket }) => socket.writable && socket.write(drip)), 100);
    await request(server).get('/health/live').expect(200);
    await Promise.all(slow.map(({ closed }) => closed));
    clearInterval(dripping);
    for (const { text } of slow) {
      expect(text()).toMatch(/^HTTP\/1\.1 408 Request Timeout\r\n/);
      expect(text()).toContain('"code":"request_timeout"');
    }
  });
});

describe('a connection', () => {
  it('beyond the maximum is closed at once, and open ones continue', async () => {
    const app = await t.another({ maxConnections: 2 });
    await app.listen(0, '127.0.0.1');
    const [first, second] = [await dial(app.getHttpServer()), await dial(app.getHttpServer())];
    const third = await dial(app.getHttpServer());
    await third.closed;
    expect(third.text()).toBe('');
    for (const { socket, text, closed } of [first, second]) {
      socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n');
      await closed;
      expect(text()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    }
  });
});

describe('a request that two servers could interpret differently', () => {
  const login = 'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
  it.each([
    ['a length and chunks', `${login}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['two lengths', `${login}content-length: 2\r\ncontent-length: 4\r\n\r\n{}{}`],
    ['a length with a sign', `${login}content-length: +2\r\n\r\n{}`],
    ['a length that is a list', `${login}content-length: 2, 2\r\n\r\n{}`],
    ['chunks under another name', `${login}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n`],
    ['chunks that are not the last coding', `${login}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
    ['a space before the colon', `${login}content-length : 2\r\n\r\n{}`],
    ['a folded header', `${login}x: a\r\n b\r\n\r\n`],
    ['a NUL in a header', `${login}x: a\0b\r\n\r\n`],
    ['a bare CR in a header', `${login}x: a\rb\r\n\r\n`],
    ['a chunk size that is not a number', `${login}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`],
    ['no host', 'GET /health/live HTTP/1.1\r\n\r\n'],
  ])('is refused: %s', async (_what, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  it.each(['TRACE', 'CONNECT'])('is refused by the method %s, without an echo', async (method) => {
    const answer = await raw(`${method} / HTTP/1.1\r\nhost: x\r\nx-secret: echo-me\r\nconnection: close\r\n\r\n`);
    expect(answer).not.toMatch(/^HTTP\/1\.1 2/);
    expect(answer).not.toContain('echo-me');
  });
});

describe('a request that matches no route', () => {
  it.each([
    ['a URL that cannot be decoded', 'GET /%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n'],
    ['bytes that are not HTTP', 'HELO x\r\n\r\n'],
    ['headers that are too large', `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`],
  ])('is refused with the same headers as any other: %s', async (_what, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).toMatch(/^content-type: application\/problem\+json/m);
    const names = ['cache-control', 'content-security-policy', 'x-content-type-options', 'referrer-policy'];
    const headers = (await request(t.server).get('/health/live')).headers as Record<string, string>;
    for (const name of names) expect(answer).toContain(`\r\n${name}: ${headers[name]}\r\n`);
    expect(answer).not.toMatch(/^(server|x-powered-by):/im);
  });
});

describe('a GET', () => {
  it('changes no row, except the records of the access itself', async () => {
    const { id: project_id } = await ada.project();
    const prompt_id = (await ada.prompt(project_id)).id;
    const { session_id, assistant_message } = await ada.turn({ project_id });
    const ids: Record<string, string> = { project_id, prompt_id, session_id, message_id: assistant_message.id };
    const tables = (await readTables(t.database)).filter(({ name }) => !/^(audit_|rate_limits)/.test(name));
    const before = await dump(t.database, tables);
    const paths = t.app
      .get(RouteTable)
      .routes()
      .filter(({ method }) => method === 'GET')
      .map(({ path }) => path.replace(/:([a-z_]+)/g, (_, name: string) => ids[name] ?? newId()));
    expect(paths.length).toBeGreaterThan(20);
    for (const path of paths)
      await ada.get(`${path}${path.includes('?') ? '' : `?project_id=${project_id}`}`).buffer(true);
    for (const path of paths) await ada.get(path).buffer(true);
    expect(await dump(t.database, tables)).toEqual(before);
  });
});

describe('a query', () => {
  it.each(['limit=1&limit=2', 'limit[]=1', 'limit[a]=1', '__proto__[limit]=1', 'cursor=a&cursor=b', 'user_id=x'])(
    'with a repeated, malformed or unknown parameter is refused: %s',
    async (query) => {
      expectProblem(await ada.get(`/projects?${query}`), 'validation_failed');
    },
  );
});

describe('the host and forwarding headers of a client', () => {
  it('are trusted nowhere and appear in no answer', async () => {
    const said = {
      host: 'evil.example.com',
      'x-forwarded-host': 'evil.example.com',
      'x-forwarded-proto': 'gopher',
      'x-forwarded-for': '203.0.113.99',
      forwarded: 'host=evil.example.com',
      'x-original-url': '/users/me',
      'x-http-method-override': 'DELETE',
    };
    const { id } = await ada.project();
    for (const answer of [
      await ada.get(`/projects/${id}`).set(said).expect(200),
      await ada.post('/projects', { name: 'x' }).set(said).expect(201),
      await request(t.server).get('/openapi.json').set(said).expect(200),
      await request(t.server).get('/docs').set(said).expect(200),
      await request(t.server).get('/users/me').set(said).expect(401),
      await request(t.server).get('/nowhere').set(said).expect(404),
    ]) {
      expect(JSON.stringify(answer.headers) + answer.text).not.toMatch(/evil|203\.0\.113|gopher/);
    }
    await ada.get(`/projects/${id}`).expect(200);
  });
});

describe('text that a user has stored', () => {
  const html = '<script>alert(document.domain)</script><img src=x onerror=alert(1)>';

  it('comes back byte for byte, with headers that stop browsers from running it', async () => {
    const { id } = await ada.project({ name: html, description: html });
    const turn = await ada.turn({ project_id: id, message: html });
    const stream = await ada.post('/chat', { project_id: id, message: html, stream: true }).buffer(true);
    for (const answer of [
      await ada.get(`/projects/${id}`),
      await ada.get(`/chat/messages/${turn.user_message.id}`),
      await ada.get(`/chat/sessions/${turn.session_id}/messages`),
      stream,
    ]) {
      expect(answer.status).toBe(200);
      expect(answer.text).toContain(JSON.stringify(html).slice(1, -1));
      expect(answer.headers['content-type']).toMatch(/^(application\/json|text\/event-stream); charset=utf-8$/);
      expect(answer.headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'content-security-policy': NOTHING_RUNS,
      });
    }
  });

  it('is not interpreted in errors or on error pages', async () => {
    for (const path of [`/${html}`, `/projects/${encodeURIComponent(html)}`, `/docs/${encodeURIComponent(html)}`]) {
      const answer = await ada.get(path.replaceAll(' ', '%20'));
      expect(answer.headers['content-type']).not.toMatch(/html/);
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
    }
  });
});

describe('the pages that are served', () => {
  it.each(['/docs', '/docs/errors'])('%s runs only its own script files, and cannot be framed', async (path) => {
    const page = await request(t.server).get(path).expect(200);
    const policy = page.headers['content-security-policy'] as string;
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("frame-ancestors 'none'");
    expect(policy).toContain("base-uri 'none'");
    expect(/script-src ([^;]*)/.exec(policy)?.[1] ?? "'self'").toBe("'self'");
    expect(policy).not.toMatch(/unsafe-eval|\*/);
  });

  it('list no folder', async () => {
    for (const path of ['/docs/swagger-ui', '/docs/node_modules/', '/.well-known/', '/.git/config']) {
      const { text } = await request(t.server).get(path).expect(404);
      expect(JSON.parse(text)).toMatchObject({ code: 'not_found' });
    }
  });

  it('cannot be left by a path with ..', async () => {
    for (const path of [
      '/docs/../package.json',
      '/docs/%2e%2e/package.json',
      '/docs/..%2f..%2fpackage.json',
      '/docs/%2e%2e%2f.env',
    ]) {
      const answer = await raw(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
      expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
      expect(answer).not.toContain('"dependencies"');
    }
  });
});

it('an id that is an array, an object or a number is malformed', async () => {
  for (const id of [[newId()], { $ne: null }, 7, true]) {
    expectProblem(await ada.post('/chat', { project_id: id, message: 'x' }), 'validation_failed', ['/project_id']);
  }
});
