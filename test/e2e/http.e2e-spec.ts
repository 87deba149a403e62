import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import request, { type Response, type Test } from 'supertest';
import pg from 'pg';
import { ERROR_CATALOGUE, type ErrorCode } from '../../src/kernel/errors/error-catalogue.js';
import { isId, newId } from '../../src/kernel/ids.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { selfSignedCertificate } from '../contract/self-signed-certificate.js';
import { PASSWORD, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { NOTHING_RUNS } from '../support/nothing-runs.js';
import { type ServerProcess, startServer } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp({ bodyLimitBytes: 20_000 });
  await t.app.listen(0, '127.0.0.1');
  ada = await TestUser.register(t);
});
afterAll(() => t.close());

const get = (path: string): Test => request(t.server).get(path);
const postRaw = (path: string, type: string, body: string): Test =>
  request(t.server).post(path).set('authorization', `Bearer ${ada.accessToken}`).set('content-type', type).send(body);

/** What comes back for bytes that no HTTP client would send. */
async function raw(
  bytes: string,
): Promise<{ status: number; type: string | undefined; body: Record<string, unknown> }> {
  const socket = connect((t.server.address() as AddressInfo).port, '127.0.0.1');
  let answer = '';
  socket.setEncoding('utf8').on('data', (text: string) => (answer += text));
  socket.on('error', () => undefined);
  socket.write(bytes);
  await once(socket, 'close');
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return {
    status: Number(head.split(' ')[1]),
    type: /^content-type: (.*)$/im.exec(head)?.[1]?.trim(),
    body: (body === '' ? {} : JSON.parse(body)) as Record<string, unknown>,
  };
}

describe('errors', () => {
  it('say 404 as a problem for an unknown route, with a token and without', async () => {
    for (const answer of [await get('/nowhere'), await ada.get('/nowhere'), await ada.post('/nowhere/at/all', {})]) {
      expectProblem(answer, 'not_found');
    }
    expect((await get('/nowhere?secret=1')).body).toMatchObject({ instance: '/nowhere' });
  });

  it.each([
    ['POST', '/users/me', 'GET, PATCH, DELETE'],
    ['PUT', '/projects', 'GET, POST'],
    ['DELETE', '/projects', 'GET, POST'],
    ['GET', '/chat', 'POST'],
    ['GET', '/auth/login', 'POST'],
    ['PATCH', '/health/live', 'GET'],
    ['POST', `/projects/${newId()}`, 'GET, PATCH, DELETE'],
  ])('say 405 with Allow for %s %s', async (method, path, allowed) => {
    const tried = await request(t.server)
      [method.toLowerCase() as 'get'](path)
      .set('authorization', `Bearer ${ada.accessToken}`);
    expectProblem(tried, 'method_not_allowed');
    expect(tried.headers.allow?.split(', ').sort()).toEqual(allowed.split(', ').sort());
  });

  it.each(['QUERY', 'PROPFIND', 'SEARCH'])('say 405 for the new method %s', async (method) => {
    const bytes = `${method} /projects HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`;
    expect(await raw(bytes)).toMatchObject({ status: 405, body: { code: 'method_not_allowed' } });
    expect(await raw(bytes.replace('/projects', '/nowhere'))).toMatchObject({ status: 404 });
  });

  it.each([
    ['cut JSON', '{"name":'],
    ['text that is not JSON', 'name=x'],
    ['two documents', '{"name":"x"}{"name":"y"}'],
    ['a prototype', '{"name":"x","__proto__":{"isAdmin":true}}'],
    ['a prototype by way of a constructor', '{"name":"x","constructor":{"prototype":{"isAdmin":true}}}'],
  ])('say 400 for %s without repeating it', async (_what, body) => {
    const answer = await postRaw('/projects', 'application/json', body);
    expectProblem(answer, 'malformed_request');
    expect(answer.text).not.toMatch(/isAdmin|JSON at position|Unexpected/);
  });

  it('say 422 with a pointer to every missing field when there is no body', async () => {
    expectProblem(await ada.post('/projects'), 'validation_failed', ['/name']);
    expectProblem(await postRaw('/projects', 'application/json', ''), 'validation_failed', ['/name']);
    expectProblem(await request(t.server).post('/auth/refresh'), 'validation_failed', ['/refresh_token']);
  });

  it.each(['[]', '[{"name":"x"}]', '"x"', '7', 'true'])('say 422 for a body that is %s', async (body) => {
    const answer = await postRaw('/projects', 'application/json', body);
    expectProblem(answer, 'validation_failed', ['']);
  });

  it('treat a body of null as no body', async () => {
    expectProblem(await postRaw('/projects', 'application/json', 'null'), 'validation_failed', ['/name']);
  });

  it('say 422 for a field named constructor, which could be confused with the class', async () => {
    const answer = await postRaw('/projects', 'application/json', '{"name":"x","constructor":"y"}');
    expectProblem(answer, 'validation_failed', ['/constructor']);
  });

  it.each(['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'nonsense', 'application/jsonx'])(
    'say 415 for a body of %s',
    async (type) => {
      expectProblem(await postRaw('/projects', type, '{"name":"x"}'), 'unsupported_media_type');
    },
  );

  it('accept JSON with a charset', async () => {
    await postRaw('/projects', 'application/json; charset=utf-8', '{"name":"x"}').expect(201);
  });

  it('allow a request without a body that still names a media type', async () => {
    const { id } = await ada.project();
    await ada.delete(`/projects/${id}`).set('content-type', 'application/json').expect(204);
    const other = await TestUser.register(t);
    await other.post('/auth/logout').set('content-type', 'application/json').expect(204);
  });

  it('say 413 for a body over the limit, with or without Content-Length, and accept one at the limit', async () => {
    const body = (size: number): string => JSON.stringify({ name: 'x', description: 'y'.repeat(size - 29) });
    expect(body(10_000)).toHaveLength(10_000);
    await postRaw('/projects', 'application/json', body(10_000)).expect(201);
    expectProblem(await postRaw('/projects', 'application/json', body(20_001)), 'body_too_large');
    const chunked = await raw(
      `POST /auth/login HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n` +
        `transfer-encoding: chunked\r\n\r\n${(20_001).toString(16)}\r\n${body(20_001)}\r\n0\r\n\r\n`,
    );
    expect(chunked).toMatchObject({ status: 413, body: { code: 'body_too_large' } });
  });

  it('say 404 for an id of any length, as for any malformed id', async () => {
    const [long, short] = [await ada.get(`/projects/${'a'.repeat(5000)}`), await ada.get('/projects/a')];
    expectProblem(long, 'not_found');
    expect(bareAnswer(long)).toEqual(bareAnswer(short));
  });

  it.each<[string, ErrorCode, string]>([
    [
      'an address that is not encoded',
      'malformed_request',
      'GET /projects/%zz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n',
    ],
    ['an address of 20,000 characters', 'headers_too_large', `GET /${'a'.repeat(20_000)} HTTP/1.1\r\nhost: x\r\n\r\n`],
    [
      'headers of 20,000 characters',
      'headers_too_large',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(20_000)}\r\n\r\n`,
    ],
    ['bytes that are not HTTP', 'malformed_request', 'HELO parley\r\n\r\n'],
    [
      'two lengths',
      'malformed_request',
      'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
  ])('are problems even for %s', async (_what, code, bytes) => {
    const answer = await raw(bytes);
    expect(answer).toMatchObject({
      status: ERROR_CATALOGUE[code].status,
      type: 'application/problem+json; charset=utf-8',
      body: { type: `/docs/errors#${code}`, code, status: ERROR_CATALOGUE[code].status },
    });
    expect(isId(answer.body.request_id)).toBe(true);
  });

  it('say 500 without the cause when the server has a fault', async () => {
    await t.database.query('alter table projects rename to projects_canary');
    try {
      const answer = await ada.get('/projects');
      expectProblem(answer, 'internal_error');
      expect(Object.keys(answer.body as object).sort()).toEqual([
        'code',
        'instance',
        'request_id',
        'status',
        'title',
        'type',
      ]);
      expect(answer.text).not.toMatch(/canary|relation|select|typeorm|QueryFailed|\bat \//i);
    } finally {
      await t.database.query('alter table projects_canary rename to projects');
    }
    await ada.get('/projects').expect(200);
  });
});

describe('every request', () => {
  it('has an id of its own, in the header and in a problem', async () => {
    const [first, second] = [await get('/health/live'), await get('/nowhere')];
    expect(isId(first.headers['x-request-id'])).toBe(true);
    expect(isId(second.headers['x-request-id'])).toBe(true);
    expect(first.headers['x-request-id']).not.toBe(second.headers['x-request-id']);
    expect(second.body).toMatchObject({ request_id: second.headers['x-request-id'] });
  });

  it.each(['a', 'abcdefgh', newId(), 'Trace-1234_5678.90-ab', 'x'.repeat(128)])('keeps the id %s', async (id) => {
    const answer = await get('/nowhere').set('x-request-id', id);
    expect(answer.headers['x-request-id']).toBe(id);
    expect(answer.body).toMatchObject({ request_id: id });
  });

  it.each([
    'Trace:1234_5678',
    'x'.repeat(129),
    'with a space',
    '{"json":1}',
    '<script>alert</script>',
    'quote"quote',
    'tab\ttab1234',
  ])('gets another id for %s', async (id) => {
    const answer = await get('/health/live').set('x-request-id', id);
    expect(isId(answer.headers['x-request-id'])).toBe(true);
  });

  it('is answered with headers that forbid scripts, sniffing, frames and caches', async () => {
    const answers: Response[] = [
      await get('/health/live').expect(200),
      await ada.get('/users/me').expect(200),
      await get('/users/me').expect(401),
      await get('/nowhere').expect(404),
      await ada.post('/projects', {}).expect(422),
      await postRaw('/projects', 'application/json', '{').expect(400),
      await ada.post('/chat', { project_id: (await ada.project()).id, message: 'Hi', stream: true }).expect(200),
    ];
    for (const { headers } of answers) {
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'x-frame-options': 'DENY',
        'content-security-policy': NOTHING_RUNS,
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-store',
      });
      expect(headers['content-type']).toMatch(/^(application\/(problem\+)?json|text\/event-stream); charset=utf-8$/);
      for (const name of ['x-powered-by', 'server', 'strict-transport-security', 'set-cookie']) {
        expect(headers).not.toHaveProperty([name]);
      }
    }
  });

  it('needs a token, except on public routes', async () => {
    const routes = t.app.get(RouteTable).routes();
    expect(routes.length).toBeGreaterThan(30);
    const open: string[] = [];
    for (const { method, path } of routes) {
      const url = path.replace(/:[a-z_]+/g, newId());
      const answer = await request(t.server)[method.toLowerCase() as 'get'](url);
      if (answer.status !== 401) {
        open.push(`${method} ${path}`);
        continue;
      }
      expectProblem(answer, 'unauthenticated');
      expect(answer.headers['www-authenticate']).toBe('Bearer realm="parley"');
    }
    expect(open.filter((route) => !/^GET \/(docs|openapi\.)/.test(route)).sort()).toEqual([
      'GET /.well-known/jwks.json',
      'GET /erasure-receipts/:receipt_id',
      'GET /health/live',
      'GET /health/ready',
      'POST /auth/email/verify',
      'POST /auth/login',
      'POST /auth/login/second-factor',
      'POST /auth/password/forgot',
      'POST /auth/password/reset',
      'POST /auth/refresh',
      'POST /auth/register',
    ]);
  });
});

describe('browsers', () => {
  const ORIGIN = 'https://app.example.com';
  const preflight = (server: TestApp['server'], method: string, origin = ORIGIN): Test =>
    request(server).options('/projects').set({
      origin,
      'access-control-request-method': method,
      'access-control-request-headers': 'authorization,content-type,if-match,x-request-id',
    });

  it('are allowed no origin by default', async () => {
    for (const answer of [
      await preflight(t.server, 'POST'),
      await get('/health/live').set('origin', ORIGIN),
      await ada.get('/projects').set('origin', ORIGIN),
    ]) {
      expect(Object.keys(answer.headers as object).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  describe('of a configured origin', () => {
    let server: TestApp['server'];

    beforeAll(async () => {
      server = (await t.another({ corsOrigins: [ORIGIN, 'http://localhost:5173'] })).getHttpServer();
    });

    it.each(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])('may %s, with the headers that they need', async (method) => {
      const { status, headers } = await preflight(server, method);
      expect(status).toBe(204);
      expect(headers['access-control-allow-origin']).toBe(ORIGIN);
      expect((headers['access-control-allow-methods'] as string).split(/, */)).toContain(method);
      for (const name of ['authorization', 'content-type', 'if-match', 'x-request-id']) {
        expect((headers['access-control-allow-headers'] as string).toLowerCase()).toContain(name);
      }
      expect(headers['access-control-allow-credentials']).toBeUndefined();
    });

    it('may read the headers that they need, also of an error', async () => {
      for (const answer of [
        await request(server).get('/health/live').set('origin', 'http://localhost:5173'),
        await request(server).get('/users/me').set('origin', 'http://localhost:5173'),
      ]) {
        expect(answer.headers['access-control-allow-origin']).toBe('http://localhost:5173');
        expect(answer.headers.vary).toMatch(/origin/i);
        expect(answer.headers['access-control-expose-headers']).toMatch(/X-Request-Id.*ETag.*Retry-After/);
      }
    });

    it.each(['https://evil.example.com', 'https://app.example.com.evil.com', 'http://app.example.com', 'null'])(
      'are not allowed %s',
      async (origin) => {
        for (const answer of [
          await preflight(server, 'POST', origin),
          await request(server).get('/health/live').set('origin', origin),
        ]) {
          expect(answer.headers['access-control-allow-origin']).not.toBe(origin);
          expect(answer.headers['access-control-allow-origin']).not.toBe('*');
        }
      },
    );
  });
});

describe('health', () => {
  it('is live and ready without a token', async () => {
    expect((await get('/health/live').expect(200)).body).toEqual({ status: 'ok' });
    expect((await get('/health/ready').expect(200)).body).toEqual({ status: 'ok' });
  });

  const expectNotReady = (answer: Response, code: ErrorCode = 'database_unavailable'): void => {
    expectProblem(answer, code);
    expect(answer.status).toBe(503);
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  };

  it('is live but not ready while the database is unreachable, and recovers by itself', async () => {
    const wire = await TcpProxy.start(t.database.url);
    const server = (await t.another({ databaseUrl: wire.url })).getHttpServer();
    await request(server).get('/health/ready').expect(200);
    await wire.cut();
    expectNotReady(await request(server).get('/health/ready'));
    await request(server).get('/health/live').expect(200);
    const answer = await ada.at(server).get('/projects');
    expectNotReady(answer);
    expectNotReady(await request(server).post('/auth/login').send({ email: 'a@example.com', password: PASSWORD }));
    expectNotReady(await ada.at(server).post('/chat', { project_id: newId(), message: 'Hi' }));
    await wire.restore();
    await request(server).get('/health/ready').expect(200);
    await ada.at(server).get('/projects').expect(200);
    await wire.cut();
  });

  it('is not ready when the database was dropped', async () => {
    const other = await createTestApp();
    const name = new URL(other.database.url).pathname.slice(1);
    const admin = new pg.Client({ connectionString: t.database.url });
    await admin.connect();
    const rename = async (from: string, to: string): Promise<void> => {
      await admin.query('select pg_terminate_backend(pid) from pg_stat_activity where datname = $1', [from]);
      await admin.query(`alter database ${from} rename to ${to}`);
    };
    try {
      await rename(name, `${name}_away`);
      const answer = await request(other.server).get('/health/ready');
      await rename(`${name}_away`, name);
      expectNotReady(answer);
      await request(other.server).get('/health/ready').expect(200);
    } finally {
      await admin.end();
      await other.close();
    }
  });

  it('is not ready before the schema has the version that the server needs', async () => {
    const newest = await t.database.query<{ id: number; timestamp: string; name: string }>(
      'delete from schema_migrations where id = (select max(id) from schema_migrations) returning *',
    );
    const other = (await t.another()).getHttpServer();
    try {
      expectNotReady(await request(other).get('/health/ready'));
    } finally {
      for (const { id, timestamp, name } of newest) {
        await t.database.query('insert into schema_migrations values ($1, $2, $3)', [id, timestamp, name]);
      }
    }
    await request(other).get('/health/ready').expect(200);
  });

  it('is no longer ready after a stop request, while running answers finish', async () => {
    const other = await t.another({ shutdownGraceMs: 5000 });
    await other.listen(0, '127.0.0.1');
    const server = other.getHttpServer();
    const gate = t.model.hold('Half', ' and whole');
    const turn = ada.at(server).turn({ project_id: (await ada.project()).id });
    await gate.reached;
    const closing = other.close();
    const ready = await request(server).get('/health/ready');
    const refused = await ada.at(server).post('/chat', { project_id: newId(), message: 'Hi' });
    gate.release();
    expectNotReady(ready, 'shutting_down');
    expectNotReady(refused, 'shutting_down');
    expect((await turn).assistant_message).toMatchObject({ status: 'completed', content: 'Half and whole' });
    await closing;
  });
});

describe('HTTPS', () => {
  let dir: string;
  let port: number;
  const { key, cert } = selfSignedCertificate();

  beforeAll(async () => {
    dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'tls-'));
    const [tlsKeyFile, tlsCertFile] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
    writeFileSync(tlsKeyFile, key);
    writeFileSync(tlsCertFile, cert);
    const app = await t.another({ tlsKeyFile, tlsCertFile });
    await app.listen(0, '127.0.0.1');
    port = (app.getHttpServer().address() as AddressInfo).port;
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is served with the given certificate, and sends HSTS', async () => {
    const asking = httpsRequest({ host: '127.0.0.1', port, path: '/health/live', ca: cert, servername: 'localhost' });
    asking.end();
    const [answer] = (await once(asking, 'response')) as [import('node:http').IncomingMessage];
    let body = '';
    for await (const chunk of answer) body += String(chunk);
    expect({ status: answer.statusCode, body }).toEqual({ status: 200, body: '{"status":"ok"}' });
    expect(answer.headers['strict-transport-security']).toBe('max-age=31536000; includeSubDomains');
  });

  const tls = (version: 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3', ciphers = 'DEFAULT@SECLEVEL=0'): Promise<string> => {
    const [minVersion, maxVersion] = [version, version];
    const at = { host: '127.0.0.1', port, ca: cert, servername: 'localhost' };
    const socket = connectTls({ ...at, minVersion, maxVersion, ciphers });
    return once(socket, 'secureConnect')
      .then(() => socket.getCipher().name)
      .finally(() => socket.destroy());
  };

  it('accepts nothing older than TLS 1.2', async () => {
    await expect(tls('TLSv1.3')).resolves.toBeDefined();
    await expect(tls('TLSv1.2')).resolves.toBeDefined();
    await expect(tls('TLSv1.1')).rejects.toThrow(/protocol version|alert/i);
  });

  it('accepts in TLS 1.2 only ciphers with forward secrecy and authenticated encryption, strongest first', async () => {
    const order = 'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384';
    expect(await tls('TLSv1.2', order)).toBe('ECDHE-ECDSA-AES256-GCM-SHA384');
    for (const weak of ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA384', 'ECDHE-ECDSA-AES128-CCM8']) {
      await expect(tls('TLSv1.2', `${weak}:@SECLEVEL=0`)).rejects.toThrow(/handshake failure|alert/i);
    }
  });

  it('does not answer plain HTTP, not even with a redirect', async () => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes) => (answer += bytes.toString('latin1'))).on('error', () => undefined);
    socket.write('GET /users/me HTTP/1.1\r\nhost: x\r\nauthorization: Bearer x\r\n\r\n');
    await once(socket, 'close');
    expect(answer).not.toMatch(/HTTP|location/i);
  });
});

describe('the log', () => {
  let server: ServerProcess;
  let dir: string;

  const SECRETS = {
    password: 'canary-password-1 correct horse',
    wrong: 'canary-password-2 wrong horse',
    next: 'canary-password-3 new horse',
    jwtSecret: 'canary-jwt-key-0123456789-abcdefghijklmno',
    pepper: 'canary-pepper-0123456789-abcdefghijklmno',
    masterKey: Buffer.from('canary-master-key-0123456789-abc').toString('base64'),
    apiKey: 'sk-canary-provider-key',
    ownKey: 'canary-own-key-0123456789',
    providerText: 'canary-provider-text',
    message: 'canary-message of a private kind',
    query: 'canary-query',
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR ?? tmpdir(), 'log-'));
    server = await startServer({
      NODE_ENV: 'production',
      DATA_DIR: dir,
      DATABASE_URL: t.database.url,
      JWT_SECRET: SECRETS.jwtSecret,
      PASSWORD_PEPPER: SECRETS.pepper,
      MASTER_KEYS: `1:${SECRETS.masterKey}`,
      BCRYPT_COST: '10',
      LLM_PROVIDER: 'openai',
      OPENAI_API_KEY: SECRETS.apiKey,
      OPENAI_BASE_URL: t.model.url,
      LLM_RETRIES: '0',
      LOG_LEVEL: 'info',
    });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('has one line for each request with time, user, route and outcome, whatever the URL contains', async () => {
    const headers = { 'content-type': 'application/json' };
    const body = JSON.stringify({ email: 'lines@example.com', password: SECRETS.password });
    const registered = await fetch(`${server.url}/auth/register`, { method: 'POST', headers, body });
    const { access_token: token, user } = (await registered.json()) as { access_token: string; user: { id: string } };
    const ask = async (path: string, authorization?: string): Promise<void> => {
      await fetch(server.url + path, { headers: authorization === undefined ? {} : { authorization } });
    };
    const strange = `/projects/${newId()}`;
    const forged = '/x%0a%7b%22level%22:%22fatal%22%7d';
    await ask(strange, `Bearer ${token}`);
    await ask('/users/me', 'Bearer forged');
    await ask(forged, `Bearer ${token}`);
    const lines = (): Record<string, unknown>[] =>
      server
        .output()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:]+\.\d{3}Z$/) as string;
    const common = {
      level: 'info',
      time,
      method: 'GET',
      requestId: expect.any(String) as string,
      ms: expect.any(Number) as number,
    };
    await expectSoon(() => {
      const asked = lines().filter(({ method }) => method === 'GET');
      expect(asked).toContainEqual({ ...common, path: strange, status: 404, userId: user.id });
      expect(asked).toContainEqual({ ...common, path: '/users/me', status: 401 });
      expect(asked).toContainEqual(expect.objectContaining({ ...common, path: forged, status: 404 }));
      expect(lines().filter(({ level }) => level === 'fatal')).toEqual([]);
    });
  });

  it('has a JSON line for each request, without passwords, tokens, keys, queries and messages', async () => {
    const tokens: string[] = [];
    const ask = async (
      method: string,
      path: string,
      body?: unknown,
      token?: string,
    ): Promise<Record<string, never>> => {
      const answer = await fetch(server.url + path, {
        method,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'canary-agent',
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = await answer.text();
      const json = (text === '' ? {} : JSON.parse(text)) as Record<string, never> & {
        access_token?: string;
        refresh_token?: string;
      };
      for (const secret of [json.access_token, json.refresh_token]) if (secret !== undefined) tokens.push(secret);
      return json;
    };
    const email = 'log@example.com';
    const { access_token: token } = await ask('POST', '/auth/register', { email, password: SECRETS.password });
    const { refresh_token } = await ask('POST', '/auth/login', { email, password: SECRETS.password });
    await ask('POST', '/auth/login', { email, password: SECRETS.wrong });
    await ask('POST', '/auth/login', `{"email":"${email}","password":"${SECRETS.password}"`);
    await ask('POST', '/auth/login', { email, passwort: SECRETS.password });
    await ask('POST', '/auth/refresh', { refresh_token });
    await ask('POST', '/auth/refresh', { refresh_token: `${String(refresh_token)}x` });
    await ask('GET', `/projects?cursor=${SECRETS.query}`, undefined, token);
    await ask('GET', '/users/me', undefined, `${String(token)}x`);
    const project = await ask('POST', '/projects', { name: 'canary-name' }, token);
    const message = { project_id: project.id, message: SECRETS.message };
    await ask('POST', '/chat', message, token);
    t.model.next((_request, answer) =>
      answer.refuse(401, { error: { message: `${SECRETS.providerText} ${SECRETS.apiKey}`, code: 'invalid_api_key' } }),
    );
    await ask('POST', '/chat', message, token);
    const providerKey = `/projects/${String(project.id)}/provider-key`;
    await ask(
      'PUT',
      providerKey,
      { provider: 'custom', api_key: SECRETS.ownKey, base_url: 'https://10.0.0.1/v1' },
      token,
    );
    await ask('PUT', providerKey, { provider: 'openai', api_key: SECRETS.ownKey }, token);
    t.model.next((_request, answer) => answer.refuse(401, { error: { message: `bad key ${SECRETS.ownKey}` } }));
    await ask('POST', '/chat', message, token);
    // What is broken inside is logged with its cause, and the cause knows the values of its statement.
    await t.database.query(`alter table users add constraint ck_test check (email <> 'broken@example.com') not valid`);
    await t.database.query('alter table sign_ins add constraint ck_test check (false) not valid');
    await t.database.query('alter table messages add constraint ck_test check (false) not valid');
    const broken = [
      await ask('POST', '/auth/register', { email: 'broken@example.com', password: SECRETS.password }),
      await ask('POST', '/auth/login', { email, password: SECRETS.password }),
      await ask('POST', '/chat', message, token),
    ];
    await t.database.query('alter table users drop constraint ck_test');
    await t.database.query('alter table sign_ins drop constraint ck_test');
    await t.database.query('alter table messages drop constraint ck_test');
    const change = { current_password: SECRETS.password, new_password: SECRETS.next };
    await ask('POST', '/users/me/password', change, token);
    await ask('POST', '/auth/logout', undefined, token);

    const output = server.output();
    expect(broken.map(({ code }) => code)).toEqual(['internal_error', 'internal_error', 'internal_error']);
    for (const line of output.trim().split('\n')) expect(() => JSON.parse(line) as unknown).not.toThrow();
    expect(output).toContain('"path":"/auth/login"');
    expect(output).toContain('Unexpected error');
    const users = await t.database.query<{ secret: string }>('select password_hash as secret from users');
    const seeds = await t.database.query<{ secret: string }>(`select encode(seed, 'hex') as secret from sign_ins`);
    const never = [
      ...Object.values(SECRETS),
      ...tokens,
      ...[...users, ...seeds].map(({ secret }) => secret),
      new URL(t.database.url).password,
      '$2b$10$',
      'canary-agent',
      'broken@example.com',
      '"parameters"',
      'Failing row contains',
      email,
    ].filter((secret) => secret !== '');
    expect(tokens.length).toBeGreaterThan(5);
    for (const secret of never) expect(output.includes(secret) ? secret : 'not in the log').toBe('not in the log');
  });
});
