import request, { type Response, type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { RouteTable } from '../../src/platform/http/route-table.js';
import { TestUser } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { type Attempt, type Ids, isDocs, PUBLIC, PUBLIC_WITH_IDS, WITH_IDS, WITHOUT_IDS } from './attempts.js';

const MALFORMED = ['zz', "' or true --", '0', 'null', '00000000-0000-0000-0000-00000000000g', '\0'];

describe('a stranger', () => {
  let t: TestApp;
  let ada: TestUser;
  let eve: TestUser;
  let gone: TestUser;
  let own: Ids;
  /** The victim's ids, with each kind of message: a question, a settled answer, and one that is being written. */
  let victims: Ids[];
  let before: Record<string, string[]>;
  let hold: { release(): void };

  /** All rows except the buckets of rate limits, which have no tenant. */
  const everything = async (): Promise<Record<string, string[]>> => {
    const { rate_limits: _buckets, ...rows } = await dump(t.database, await readTables(t.database));
    // Reading her own account adds to the stranger's own audit log.
    for (const log of ['audit_events', 'audit_heads'])
      rows[log] = rows[log]?.filter((row) => !row.includes(eve.id)) ?? [];
    return rows;
  };

  beforeAll(async () => {
    // Long periods, so no lease is renewed while the rows are compared.
    t = await createTestApp({ turnLeaseMs: 600_000, turnSweepMs: 600_000 });
    [ada, eve, gone] = [await TestUser.register(t), await TestUser.register(t), await TestUser.register(t)];
    await gone.erase().expect(204);
    own = (await belongings(eve))[0] as Ids;
    victims = await belongings(ada);
    const gate = t.model.hold();
    hold = gate;
    const running = await ada.post('/chat', { ...pick(victims[0] as Ids), message: 'Wait', background: true });
    await gate.reached;
    const { assistant_message } = running.body as { assistant_message: { id: string } };
    victims.push({ ...(victims[0] as Ids), message_id: assistant_message.id });
    before = await everything();
  });
  afterAll(async () => {
    hold.release();
    await t.close();
  });

  const pick = ({ project_id }: Ids): Record<string, unknown> => ({ project_id });

  async function belongings(user: TestUser): Promise<Ids[]> {
    const { id: project_id } = await user.project();
    const { id: prompt_id } = await user.prompt(project_id);
    const turn = await user.turn({ project_id, message: 'A secret' });
    const api_key_id = (await user.apiKey()).id;
    const sign_in_id = signInOf(user.accessToken);
    return [turn.user_message.id, turn.assistant_message.id].map((message_id) => ({
      api_key_id,
      sign_in_id,
      project_id,
      prompt_id,
      session_id: turn.session_id,
      message_id,
      user_id: user.id,
    }));
  }

  function send(route: string, attempt: Attempt, ids: Ids, token: string | null): Test {
    const [method, pattern] = route.split(' ') as [string, string];
    const inPath = attempt.ownPath === true ? own : ids;
    const path = pattern.replace(/:(\w+)/g, (_, name: keyof Ids) => encodeURIComponent(inPath[name]));
    const verb = method.toLowerCase() as 'get' | 'post' | 'put' | 'patch' | 'delete';
    const test = request(t.server)[verb](path).buffer(true);
    if (token !== null) test.set('authorization', `Bearer ${token}`);
    for (const [name, value] of Object.entries(attempt.headers ?? {})) test.set(name, value);
    if (attempt.query !== undefined) test.query(attempt.query(ids, own));
    return attempt.body === undefined ? test : test.send(attempt.body(ids, own));
  }

  /** Everything by which a client can distinguish two responses. */
  function visible({ status, text, headers }: Response): unknown {
    const { date: _date, 'x-request-id': _id, 'content-length': _length, ...rest } = headers as Record<string, string>;
    return {
      status,
      text: text.replace(/"(request_id|instance)":"[^"]*"/g, '"$1":"…"'),
      headers: rest,
    };
  }

  const unknownIds = (): Ids => ({
    project_id: newId(),
    prompt_id: newId(),
    session_id: newId(),
    message_id: newId(),
    user_id: newId(),
    api_key_id: newId(),
    sign_in_id: newId(),
  });

  it('finds no route that this test does not list', () => {
    const routes = [
      ...new Set(
        t.app
          .get(RouteTable)
          .routes()
          .map(({ method, path }) => `${method} ${path}`),
      ),
    ];
    const known = [...Object.keys(WITH_IDS), ...WITHOUT_IDS, ...PUBLIC, ...PUBLIC_WITH_IDS];
    expect(routes.filter((route) => !isDocs(route)).sort()).toEqual(known.sort());
  });

  it('finds no id in a route that is listed without one', async () => {
    for (const route of [...WITHOUT_IDS, ...PUBLIC]) expect(route).not.toContain(':');
    const document = (await request(t.server).get('/openapi.json')).body as Document;
    const takesId = Object.entries(document.paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, operation]) => idsOf(document, operation).length > 0)
        .map(([method]) => `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`),
    );
    expect(takesId.sort()).toEqual([...Object.keys(WITH_IDS), ...PUBLIC_WITH_IDS].sort());
  });

  it('tries every id that a route takes', async () => {
    const document = (await request(t.server).get('/openapi.json')).body as Document;
    for (const [route, attempts] of Object.entries(WITH_IDS)) {
      const [method, path] = route.split(' ') as [string, string];
      const operation = document.paths[path.replace(/:(\w+)/g, '{$1}')]?.[method.toLowerCase()] as Operation;
      const inPath = [...path.matchAll(/:(\w+)/g)].map(([, name]) => name as string);
      const tried = attempts.flatMap(({ query, body }) => Object.keys({ ...query?.(own, own), ...body?.(own, own) }));
      const forgotten = idsOf(document, operation).filter((name) => ![...inPath, ...tried].includes(name));
      expect({ route, forgotten }).toEqual({ route, forgotten: [] });
    }
  });

  describe.each(Object.entries(WITH_IDS))('%s', (route, attempts) => {
    const cases = attempts.map((attempt, index) => [index, attempt] as const);

    it.each(cases)("answers for another user's id as for an unknown one (%i)", async (_, attempt) => {
      const unknown = await send(route, attempt, unknownIds(), eve.accessToken);
      expect(unknown.status).toBe(attempt.status ?? 404);
      expectProblem(
        unknown,
        attempt.status === 422 ? 'validation_failed' : attempt.status === 403 ? 'admin_required' : 'not_found',
      );
      const victimsIds = route.includes('message_id') || 'body' in attempt ? victims : victims.slice(0, 1);
      for (const ids of victimsIds) {
        expect(visible(await send(route, attempt, ids, eve.accessToken))).toEqual(visible(unknown));
      }
    });

    it.each(cases)('answers for a malformed id in the path as for an unknown one (%i)', async (_, attempt) => {
      const unknown = await send(route, attempt, unknownIds(), eve.accessToken);
      for (const text of MALFORMED) {
        const ids = Object.fromEntries(Object.keys(own).map((name) => [name, text])) as unknown as Ids;
        const response = await send(route, attempt, ids, eve.accessToken);
        if (route.includes(':') && attempt.ownPath !== true) {
          // The body may contain a wrong id too. Whichever is checked first, the response reveals nothing about rows.
          if (response.status !== 422) expect(visible(response)).toEqual(visible(unknown));
        } else expectProblem(response, 'validation_failed');
      }
    });

    it.each(cases)('is refused without a token (%i)', async (_, attempt) => {
      for (const ids of [victims[0] as Ids, unknownIds()]) {
        const response = await send(route, attempt, ids, null);
        expectProblem(response, 'unauthenticated');
        expect(response.headers['www-authenticate']).toContain('Bearer');
      }
    });

    it.each(cases)('refuses the token of a deleted account (%i)', async (_, attempt) => {
      for (const ids of [...victims, unknownIds()]) {
        const { status } = await send(route, attempt, ids, gone.accessToken);
        expect([401, 404]).toContain(status);
      }
    });
  });

  describe.each(WITHOUT_IDS)('%s', (route) => {
    it('is refused without a token', async () => {
      expectProblem(await send(route, {}, own, null), 'unauthenticated');
    });

    it('shows nothing of another user', async () => {
      const secrets = [ada.id, ada.email, ...victims.flatMap((ids) => Object.values(ids) as string[])];
      if (!route.startsWith('GET')) return;
      for (const token of [eve.accessToken, gone.accessToken]) {
        const { text } = await send(route, {}, own, token);
        for (const secret of secrets) expect(text).not.toContain(secret);
      }
    });

    it('creates nothing for a deleted account', async () => {
      const body = { name: 'Mine', current_password: 'x', new_password: 'long enough' };
      const fields = { 'POST /projects': ['name'], 'POST /users/me/password': ['current_password', 'new_password'] };
      const names = (fields as Record<string, (keyof typeof body)[]>)[route] ?? [];
      const sent = Object.fromEntries(names.map((name) => [name, body[name]]));
      const { status } = await send(route, route.startsWith('GET') ? {} : { body: () => sent }, own, gone.accessToken);
      expect(status).toBeLessThan(500);
    });
  });

  it('has changed no row', async () => {
    expect(await everything()).toEqual(before);
  });

  it('has not affected the running answer, which completes normally', async () => {
    hold.release();
    const { message_id } = victims.at(-1) as Ids;
    for (let tries = 0; tries < 100; tries++) {
      const { body } = await ada.get(`/chat/messages/${message_id}`).expect(200);
      if ((body as { status: string }).status === 'completed') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('the answer did not complete');
  });
});

function signInOf(accessToken: string): string {
  return (JSON.parse(Buffer.from(accessToken.split('.')[1] as string, 'base64url').toString()) as { sid: string }).sid;
}

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  properties?: Record<string, Schema>;
}

interface Operation {
  parameters?: { name: string }[];
  requestBody?: { content: Record<string, { schema: Schema }> };
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, Schema> };
}

/** The names of all ids that an operation takes, in path, query or body. */
function idsOf({ components }: Document, { parameters = [], requestBody }: Operation): string[] {
  const fields = (schema: Schema): string[] => [
    ...Object.keys(schema.properties ?? {}),
    ...(schema.allOf ?? []).flatMap(fields),
    ...(schema.$ref === undefined ? [] : fields(components.schemas[schema.$ref.split('/').at(-1) as string] as Schema)),
  ];
  const names = [
    ...parameters.map(({ name }) => name),
    ...Object.values(requestBody?.content ?? {}).flatMap(({ schema }) => fields(schema)),
  ];
  return names.filter((name) => /(^|_)ids?$/.test(name));
}
