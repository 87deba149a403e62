import type { Response } from 'supertest';
import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { NameServer } from '../support/name-server.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

let t: TestApp;
let names: NameServer;
/** An instance that reaches its model by a host name, as most do: each new connection looks it up. */
let server: TestApp['server'];

beforeAll(async () => {
  names = await NameServer.start();
  t = await createTestApp({ providerDnsServers: [names.address] });
  const app = await t.another({
    openaiBaseUrl: t.model.url.replace('127.0.0.1', 'localhost'),
    llmConnectTimeoutMs: 1500,
  });
  await app.listen(0, '127.0.0.1');
  server = app.getHttpServer();
});
afterAll(async () => {
  await t.close();
  await names.stop();
});

const setKey = (user: TestUser, projectId: string, host: string): Promise<Response> =>
  user
    .put(`/projects/${projectId}/provider-key`, { provider: 'custom', api_key: 'x', base_url: `https://${host}/v1` })
    .then((answer) => answer);

async function someone(): Promise<{ user: TestUser; projectId: string }> {
  const user = (await TestUser.register(t)).at(server);
  return { user, projectId: (await user.project()).id };
}

/** Turns at once, so that they need new connections; the statuses of their answers. */
const chat = async ({ user, projectId }: Awaited<ReturnType<typeof someone>>): Promise<number[]> =>
  Promise.all(
    Array.from({ length: 8 }, async () => (await user.post('/chat', { project_id: projectId, message: 'Hi' })).status),
  );

/** What another user meets while the flood runs: the statuses of the answers, and how long the slowest eight took. */
async function chatDuring(flood: Promise<unknown>): Promise<{ statuses: Set<number>; slowestMs: number }> {
  const bob = await someone();
  let isOver = false;
  void flood.then(() => (isOver = true));
  const statuses = new Set<number>();
  let slowestMs = 0;
  while (!isOver) {
    const sentMs = performance.now();
    for (const status of await chat(bob)) statuses.add(status);
    slowestMs = Math.max(slowestMs, performance.now() - sentMs);
  }
  return { statuses, slowestMs };
}

describe('forty addresses in a zone whose name server is silent', () => {
  it('delay no other user, open no circuit breaker, and fail soon for their user', async () => {
    const { user, projectId } = await someone();
    const begunMs = performance.now();
    const flood = Promise.all(Array.from({ length: 40 }, (_, i) => setKey(user, projectId, `h${i}.silent.dev`)));
    const { statuses, slowestMs } = await chatDuring(flood);
    const answers = await flood;
    expect(performance.now() - begunMs).toBeLessThan(20_000);
    expect(statuses).toEqual(new Set([200]));
    expect(slowestMs).toBeLessThan(5000);
    expect(await t.database.query('select 1 from circuits')).toEqual([]);
    expect(names.asked).not.toEqual([]);
    const lookedUp = answers.filter(({ status }) => status === 422);
    expect(lookedUp.length).toBeGreaterThan(0);
    for (const answer of lookedUp) expectProblem(answer, 'validation_failed', ['/base_url']);
    const others = answers.filter(({ status }) => status !== 422);
    expect(others.length).toBeGreaterThan(30);
    for (const answer of others) {
      expectProblem(answer, 'rate_limited');
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    }
  }, 90_000);

  it('use no lookup of another user', async () => {
    const [mallory, bob] = [await someone(), await someone()];
    const flood = Array.from({ length: 10 }, (_, i) => setKey(mallory.user, mallory.projectId, `m${i}.silent.dev`));
    const answer = await setKey(bob.user, bob.projectId, 'b.silent.dev');
    expectProblem(answer, 'validation_failed', ['/base_url']);
    await Promise.all(flood);
  }, 30_000);
});

describe('a provider of a user whose name server falls silent after its address was taken', () => {
  it('delays no other user, in turns and lists of models, and opens only its own circuit breaker', async () => {
    const { user, projectId } = await someone();
    expect((await setKey(user, projectId, '8.8.8.8')).status).toBe(200);
    await t.database.query(`update provider_keys set base_url = 'https://late.silent.dev/v1' where user_id = $1`, [
      user.id,
    ]);
    const flood = Promise.all(
      Array.from({ length: 20 }, async () => [
        (await user.post('/chat', { project_id: projectId, message: 'Hi' })).status,
        (await user.get(`/projects/${projectId}/models`)).status,
      ]),
    );
    const { statuses, slowestMs } = await chatDuring(flood);
    expect(statuses).toEqual(new Set([200]));
    expect(slowestMs).toBeLessThan(5000);
    for (const status of new Set((await flood).flat())) expect([502, 503, 504]).toContain(status);
    expect(names.asked).toContain('late.silent.dev');
    expect(new Set(await chat(await someone()))).toEqual(new Set([200]));
  }, 60_000);
});

describe('the DNS lookups of one user', () => {
  it('are limited per ten minutes; addresses without a lookup are not counted', async () => {
    const { user, projectId } = await someone();
    const statusOf = async (host: string): Promise<number> => (await setKey(user, projectId, host)).status;
    for (let i = 0; i < 40; i++) expect(await statusOf('8.8.8.8')).toBe(200);
    for (let i = 0; i < 30; i++) expect(await statusOf(`h${i}.nobody.dev`)).toBe(422);
    expect(await statusOf('h30.nobody.dev')).toBe(429);
    expect(await statusOf('8.8.8.8')).toBe(200);
  }, 30_000);
});
