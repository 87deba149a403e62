import request, { type Response } from 'supertest';
import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

type Json = Record<string, unknown>;

let t: TestApp;
let mallory: TestUser;
let bob: TestUser;
let projectId: string;
let bobsProjectId: string;

beforeAll(async () => {
  t = await createTestApp();
  await t.app.listen(0, '127.0.0.1');
  [mallory, bob] = [await TestUser.register(t), await TestUser.register(t)];
  projectId = (await mallory.project()).id;
  bobsProjectId = (await bob.project()).id;
});
afterAll(() => t.close());

const list = (length: number, item: unknown): unknown[] => Array.from({ length }, () => item);
const texts = (length: number): string[] => Array.from({ length }, (_, i) => `s${i}`);
const fields = (count: number, value: unknown = 1): Json =>
  Object.fromEntries(texts(count).map((name) => [name, value]));
const nested = (levels: number): unknown => JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels));

const login = (body: Json): Promise<Response> =>
  request(t.server)
    .post('/auth/login')
    .send(body)
    .then((a) => a);
const post = (path: string, body: Json): Promise<Response> => mallory.post(path, body).then((a) => a);

const errorsOf = ({ body }: Response): unknown[] => (body as { errors: unknown[] }).errors;

/**
 * Milliseconds that the processor has worked since then, for client and server together. A machine that does other things besides
 * makes everything late, but no more work.
 */
function workSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

function expectShortRefusal(answer: Response): void {
  expectProblem(answer, 'validation_failed');
  expect(errorsOf(answer).length).toBeLessThanOrEqual(50);
  expect(answer.text.length).toBeLessThan(10_000);
}

describe('four senders of bodies with 19,900 unknown fields', () => {
  it.each<[string, () => Promise<Response>]>([
    ['anybody', () => login(fields(19_900))],
    ['a user, deeper in the body', () => post('/projects', { name: 'x', params: fields(19_900) })],
  ])(
    "do not delay other users' chats, when they are sent by %s",
    async (_who, send) => {
      const answers: Response[] = [];
      let senders = 4;
      const floods = Array.from({ length: senders }, async () => {
        for (let i = 0; i < 3; i++) answers.push(await send());
        senders -= 1;
      });
      let mostWorkMs = 0;
      while (senders > 0) {
        const before = process.cpuUsage();
        await bob.turn({ project_id: bobsProjectId });
        mostWorkMs = Math.max(mostWorkMs, workSince(before));
      }
      await Promise.all(floods);
      for (const answer of answers) expectShortRefusal(answer);
      expect(mostWorkMs).toBeLessThan(1500);
    },
    60_000,
  );
});

describe('a request with thousands of', () => {
  it.each<[string, () => Promise<Response>]>([
    ['unknown fields', () => login(fields(19_900))],
    ['names in a field that takes a text', () => login({ email: fields(19_900), password: 'x' })],
    ['unknown fields in an object', () => post('/projects', { name: 'x', params: fields(19_900) })],
    ['items that are no objects', () => post('/projects', { name: 'x', fallbacks: list(19_900, 1) })],
    ['objects with unknown fields', () => post('/projects', { name: 'x', fallbacks: list(9000, { x: 1 }) })],
    ['unknown fields in an item', () => post('/projects', { name: 'x', fallbacks: [fields(19_900)] })],
    ['different scopes', () => post('/auth/api-keys', { name: 'x', scopes: texts(19_900) })],
    [
      'ids in an order',
      () => mallory.put(`/projects/${projectId}/prompts/order`, { prompt_ids: texts(19_900) }).then((a) => a),
    ],
    ['parameters of a query', () => mallory.get(`/chat/sessions?${texts(2400).join('&')}`).then((a) => a)],
  ])('%s is refused with a short response and little work', async (_what, send) => {
    expectShortRefusal(await send());
    const before = process.cpuUsage();
    for (let i = 0; i < 5; i++) expectShortRefusal(await send());
    expect(workSince(before) / 5).toBeLessThan(150);
  });
});

describe('an error about invalid fields', () => {
  it('lists the first fifty, and says that there are more', async () => {
    const answer = await login(fields(51));
    expectProblem(
      answer,
      'validation_failed',
      texts(50).map((name) => `/${name}`),
    );
    expect(answer.body).toMatchObject({ detail: 'Only the first 50 errors are listed.' });
  });

  it('lists all of up to fifty, unknown and invalid ones', async () => {
    const answer = await login(fields(40));
    expect(new Set(errorsOf(answer).map((error) => (error as { pointer: string }).pointer))).toEqual(
      new Set([...texts(40).map((name) => `/${name}`), '/email', '/password']),
    );
    expect(answer.body).not.toHaveProperty('detail');
  });

  it('does not repeat a very long field name', async () => {
    const answer = await login({ email: 'a@example.com', password: 'x', ['x'.repeat(200_000)]: 1 });
    expectProblem(answer, 'validation_failed', ['']);
    const deep = await post('/projects', { name: 'x', params: { ['y'.repeat(200_000)]: 1 } });
    expectProblem(deep, 'validation_failed', ['/params']);
    const bomb = await login({ ['z'.repeat(100_000)]: nested(40) });
    expectProblem(bomb, 'validation_failed', ['']);
    for (const { text } of [answer, deep, bomb]) expect(text.length).toBeLessThan(1000);
  });
});

describe('the limit for each address', () => {
  it('is checked before the body is read, on every public route with a body', async () => {
    const strict = await t.another({
      signInRequestsPerAddress: 2,
      registrationsPerAddress: 2,
      refreshesPerAddress: 2,
      mailRequestsPerAddress: 2,
    });
    const { body } = await request(t.server).get('/openapi.json').expect(200);
    const { paths } = body as { paths: Record<string, Record<string, { security?: unknown[]; requestBody?: object }>> };
    const open = Object.entries(paths).filter(
      ([, { post: route }]) => route?.requestBody !== undefined && route.security?.length === 0,
    );
    expect(open.length).toBeGreaterThanOrEqual(6);
    const server = strict.getHttpServer();
    for (const [path] of open) {
      // Routes may share a bucket.
      const answers = [];
      for (let i = 0; i < 3; i++) answers.push(await request(server).post(path).send({ nonsense: true }));
      const last = answers.at(-1) as Response;
      expect({ path, status: last.status }).toEqual({ path, status: 429 });
      expectProblem(last, 'rate_limited');
      expect(Number(last.headers['retry-after'])).toBeGreaterThan(0);
    }
  });
});
