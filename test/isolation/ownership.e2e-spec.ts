import { PATH_METADATA } from '@nestjs/common/constants.js';
import { MetadataScanner, ModulesContainer } from '@nestjs/core';
import type { PoolClient } from 'pg';
import request, { type Response, type Test } from 'supertest';
import { DataSource } from 'typeorm';
import { newId } from '../../src/kernel/ids.js';
import { pgPool } from '../../src/platform/database/pg-pool.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { OWNED, type OwnedParameter } from '../../src/platform/ownership/ownership.guard.js';
import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { sentStatements } from '../support/sent-statements.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const OWNED_ID = /:(project_id|prompt_id|session_id|message_id)\b/;
/** A body or query that no route accepts. */
const WRONG = { surely_no_field: true };

type Verb = 'get' | 'post' | 'put' | 'patch' | 'delete';
type Ids = Record<string, string>;

let t: TestApp;
let ada: TestUser;
let eve: TestUser;
let adas: Ids;
let sent: string[] = [];

beforeAll(async () => {
  t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000, revocationPollMs: 600_000 });
  const watched = new Set<PoolClient>();
  pgPool(t.app.get(DataSource)).on('acquire', (client) => {
    if (watched.has(client)) return;
    watched.add(client);
    const query = client.query.bind(client) as (...args: unknown[]) => unknown;
    client.query = ((...args: unknown[]) => {
      sent.push(...sentStatements(args[0]));
      return query(...args);
    }) as PoolClient['query'];
  });
  [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
  adas = await belongings(ada);
});
afterAll(() => t.close());

async function belongings(user: TestUser): Promise<Ids> {
  const { id: project_id } = await user.project();
  const { id: prompt_id } = await user.prompt(project_id);
  const { session_id, assistant_message } = await user.turn({ project_id });
  return { project_id, prompt_id, session_id, message_id: assistant_message.id };
}

/** Every route with such an id in its path. */
function routes(): string[] {
  const all = t.app.get(RouteTable).routes();
  return [...new Set(all.map(({ method, path }) => `${method} ${path}`))].filter((route) => OWNED_ID.test(route));
}

function ask(route: string, ids: Ids, user: TestUser, headers: Record<string, string> = {}): Promise<Response> {
  const [method, pattern] = route.split(' ') as [string, string];
  const path = pattern.replace(/:(\w+)/g, (_, name: string) => ids[name] as string);
  const test = request(t.server)[method.toLowerCase() as Verb](path);
  void test.set({ authorization: `Bearer ${user.accessToken}`, ...headers });
  return Promise.resolve(method === 'GET' ? test.query(WRONG) : test.send(WRONG));
}

/** The reads and writes of rows among the statements that were sent. */
const onRows = (): string[] => sent.filter((text) => /\b(from|into|update) "?\w+"? /i.test(`${text} `));

it('declares the resource on every handler whose path has its id, and nowhere else', () => {
  const declared: string[] = [];
  for (const { controllers } of t.app.get(ModulesContainer).values()) {
    for (const { metatype } of controllers.values()) {
      const { prototype } = metatype as { prototype: Record<string, object> };
      for (const name of new MetadataScanner().getAllMethodNames(prototype)) {
        const handler = prototype[name] as object;
        const places = [
          Reflect.getMetadata(PATH_METADATA, metatype as object),
          Reflect.getMetadata(PATH_METADATA, handler),
        ];
        if (places[1] === undefined) continue;
        const [, named] = OWNED_ID.exec(`/${places.join('/')}`) ?? [];
        const owned = Reflect.getMetadata(OWNED, handler) as OwnedParameter | undefined;
        expect({ handler: `${metatype?.name}.${name}`, owned: owned?.name }).toEqual({
          handler: `${metatype?.name}.${name}`,
          owned: named,
        });
        if (named !== undefined) declared.push(name);
      }
    }
  }
  expect(declared).toHaveLength(routes().length);
  expect(declared.length).toBeGreaterThan(25);
});

it('refuses a wrong body or query of the owner on most of these routes, so the next tests can tell which check comes first', async () => {
  const own = await belongings(ada);
  const answers = await Promise.all(
    routes()
      .filter((route) => !route.startsWith('DELETE'))
      .map(async (route) => [route, (await ask(route, own, ada)).status] as const),
  );
  const refused = answers.filter(([, status]) => status === 422).map(([route]) => route);
  expect(refused.length).toBeGreaterThan(12);
  for (const route of ['PATCH /prompts/:prompt_id', 'POST /chat/messages/:message_id/regenerate']) {
    expect(refused).toContain(route);
  }
});

it("answers 404 for another user's id after one lookup, whatever the body, and enters no handler", async () => {
  for (const route of routes()) {
    for (const ids of [adas, { project_id: newId(), prompt_id: newId(), session_id: newId(), message_id: newId() }]) {
      sent = [];
      expectProblem(await ask(route, ids, eve), 'not_found');
      expect({ route, statements: onRows().length }).toEqual({ route, statements: 1 });
      expect(onRows()[0]).toMatch(/^select/i);
    }
  }
});

it('answers 404 for a malformed id without a database query', async () => {
  const ids = { project_id: 'zz', prompt_id: 'zz', session_id: 'zz', message_id: 'zz' };
  for (const route of routes()) {
    sent = [];
    expectProblem(await ask(route, ids, eve), 'not_found');
    expect({ route, sent }).toEqual({ route, sent: [] });
  }
});

it("answers 404 for another project's ids to an API key that is bound to one, even if the user has just requested them", async () => {
  const { id: project_id } = await eve.project();
  const bound = eve.by((await eve.apiKey({ project_id })).key);
  // Keys of providers are closed to API keys.
  for (const route of routes().filter((route) => !route.includes('provider-key'))) {
    const others = await belongings(eve);
    await ask(route.replace('DELETE', 'PATCH'), others, eve);
    expectProblem(await ask(route, others, bound), 'not_found');
  }
});

it('passes on the resource that it found: reading a resource takes one statement', async () => {
  const own = await belongings(ada);
  for (const [path, name] of [
    ['/projects', 'project_id'],
    ['/prompts', 'prompt_id'],
    ['/chat/sessions', 'session_id'],
    ['/chat/messages', 'message_id'],
  ] as const) {
    sent = [];
    await ada.get(`${path}/${own[name]}`).expect(200);
    expect({ path, statements: onRows().length }).toEqual({ path, statements: 1 });
  }
});

it('caches the found resource for the next write, which itself detects that the resource is gone', async () => {
  const { prompt_id } = await belongings(ada);
  const path = `/prompts/${prompt_id}`;
  await ada.patch(path, { name: 'One' }).expect(200);
  sent = [];
  await ada.patch(path, { name: 'Two' }).expect(200);
  expect(onRows().filter((text) => /^select/i.test(text) && !/for update/i.test(text))).toHaveLength(1);
  expectProblem(await eve.patch(path, { name: 'Three' }), 'not_found');
  await ada.delete(path).expect(204);
  expectProblem(await ada.patch(path, { name: 'Four' }), 'not_found');
  expectProblem(await ada.get(path), 'not_found');
});

it('replays the response of a repeated request even after it deleted the resource in its path', async () => {
  const { prompt_id } = await belongings(ada);
  const remove = (user: TestUser): Test => user.delete(`/prompts/${prompt_id}`).set('idempotency-key', 'once');
  await remove(ada).expect(204);
  // An instance without the resource in its cache.
  const other = await t.another();
  const repeated = await remove(ada.at(other.getHttpServer())).expect(204);
  expect(repeated.headers['idempotent-replayed']).toBe('true');
  expectProblem(await ada.delete(`/prompts/${prompt_id}`).set('idempotency-key', 'another'), 'not_found');
  expectProblem(await remove(eve), 'not_found');
});

it('runs no lookup before POST /chat, which checks ownership itself', async () => {
  sent = [];
  expectProblem(await eve.post('/chat', { project_id: adas.project_id, message: 'Hi' }), 'not_found');
  expect(onRows().some((text) => /^SELECT "/.test(text))).toBe(false);
});
