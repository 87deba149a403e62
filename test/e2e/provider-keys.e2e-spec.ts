import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { DataKeyRotation } from '../../src/platform/crypto/data-key-rotation.js';
import { OutboundGuard } from '../../src/platform/outbound/outbound-guard.js';
import { SSRF_SPELLINGS } from '../attack/ssrf-spellings.mjs';
import { TestUser, type TurnBody } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { ScriptedModel } from '../support/scripted-model.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const KEY = 'sk-own-canary-0123456789-x7Qa';

let t: TestApp;
/** The model server of a user; its address is private, so this server's operator has to allow it. */
let own: ScriptedModel;
let ada: TestUser;
let path: string;
let projectId: string;

beforeAll(async () => {
  t = await createTestApp({ providerUrlAllow: ['127.0.0.1'], titleModel: 'namer' });
  own = await ScriptedModel.start();
});
afterAll(async () => {
  await t.close();
  await own.stop();
});
beforeEach(async () => {
  ada = await TestUser.register(t);
  projectId = (await ada.project({ model: 'own-model' })).id;
  path = `/projects/${projectId}/provider-key`;
  own.requests.length = t.model.requests.length = own.keys.length = t.model.keys.length = 0;
});

const custom = (fields: Record<string, unknown> = {}): Record<string, unknown> => ({
  provider: 'custom',
  api_key: KEY,
  base_url: own.url,
  ...fields,
});
const setKey = async (fields?: Record<string, unknown>): Promise<void> =>
  void (await ada.put(path, custom(fields)).expect(200));
const failure = async (): Promise<string | undefined> => {
  const { body } = await ada.post('/chat', { project_id: projectId, message: 'Hi' });
  return (body as { code?: string }).code;
};

describe('a project’s own key', () => {
  it('is shown only by its last characters, and is stored and logged nowhere in plain text', async () => {
    const shown = { provider: 'custom', base_url: own.url, hint: '…x7Qa' };
    const set = await ada.put(path, custom()).expect(200);
    const got = await ada.get(path).expect(200);
    for (const { body } of [set, got]) expect(body).toEqual({ ...shown, created_at: expect.any(String) as string });
    await ada.turn({ project_id: projectId });
    const rows = JSON.stringify(await dump(t.database, await readTables(t.database)));
    expect(rows).toContain(own.url);
    expect(rows).not.toContain(KEY);
    expect(rows).not.toContain(Buffer.from(KEY).toString('hex'));
  });

  it('is not shown at all when it is short', async () => {
    await setKey({ api_key: 'ollama' });
    expect((await ada.get(path)).body).toMatchObject({ hint: null });
  });

  it('makes the user’s own server answer every turn of the project, and no other turn', async () => {
    await setKey();
    const turn = await ada.turn({ project_id: projectId, message: 'One' });
    await ada.turn({ session_id: turn.session_id, message: 'Two' });
    await ada.post(`/chat/messages/${turn.assistant_message.id}/regenerate`, {}).expect(200);
    expect(turn.assistant_message).toMatchObject({ content: 'You said: One', provider: 'custom', model: 'own-model' });
    // Each first answer names the session too.
    await expectSoon(() => expect(own.requests).toHaveLength(5));
    expect(new Set(own.keys)).toEqual(new Set([`Bearer ${KEY}`]));
    // The title too was asked for where the answer came from, of a model that is there.
    expect(new Set(own.requests.map(({ model }) => model))).toEqual(new Set(['own-model']));
    expect(t.model.requests).toEqual([]);
    const other = await ada.project();
    await ada.turn({ project_id: other.id });
    expect(own.requests).toHaveLength(5);
    expect(t.model.keys[0]).toBe('Bearer sk-test-canary');
  });

  it('is used with the requested model for a session name, whatever model name the answer reported', async () => {
    await setKey();
    own.next((_request, answer) => {
      answer.answersAs('/models/llama-3.gguf');
      answer.delta('Words');
      answer.finish();
    });
    await ada.turn({ project_id: projectId, model: 'asked-model' });
    await expectSoon(() => expect(own.requests.map(({ model }) => model)).toEqual(['asked-model', 'asked-model']));
  });

  it('is sent to the configured address of a named provider', async () => {
    await setKey({ provider: 'openai', base_url: undefined });
    await ada.turn({ project_id: projectId });
    expect(t.model.keys[0]).toBe(`Bearer ${KEY}`);
    // The call that names the session comes after the answer, and must not reach the next test.
    await expectSoon(() => expect(t.model.keys).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]));
  });

  it('can be replaced and removed', async () => {
    await setKey();
    await setKey({ api_key: 'sk-another-0123456789-9999' });
    await ada.turn({ project_id: projectId });
    expect(own.keys[0]).toBe('Bearer sk-another-0123456789-9999');
    await ada.delete(path).expect(204);
    await ada.delete(path).expect(204);
    expectProblem(await ada.get(path), 'not_found');
    await ada.turn({ project_id: projectId });
    expect(t.model.keys[0]).toBe('Bearer sk-test-canary');
    const { body } = await ada.get('/users/me/audit-events').expect(200);
    const actions = (body as { data: { action: string; subject_id: string }[] }).data.map(({ action }) => action);
    expect(actions.slice(0, 3)).toEqual(['provider_key.removed', 'provider_key.set', 'provider_key.set']);
  });

  it('is deleted with its project', async () => {
    await setKey();
    await ada.delete(`/projects/${projectId}`).expect(204);
    expect(await t.database.query('select 1 from provider_keys where project_id = $1', [projectId])).toEqual([]);
  });

  it('is named as the cause of its errors', async () => {
    await setKey();
    own.next((_request, answer) => answer.refuse(401, { error: { message: 'canary-provider-text' } }));
    const refused = await ada.post('/chat', { project_id: projectId, message: 'Hi' });
    expectProblem(refused, 'project_key_refused');
    expect(refused.text).not.toContain('canary-provider-text');
    own.next((_request, answer) => answer.refuse(402));
    expect(await failure()).toBe('project_credit_exhausted');
    own.next((_request, answer) => answer.refuse(503));
    expect(await failure()).toBe('provider_overloaded');
  });

  it('is not sent on when the provider redirects', async () => {
    await setKey();
    own.next((_request, answer) => answer.refuse(307, {}, { location: `${t.model.url}/chat/completions` }));
    expect(await failure()).toBe('provider_bad_response');
    expect(t.model.requests).toEqual([]);
  });

  it('is used by an instance that takes the turn over', async () => {
    await setKey();
    const first = await t.another({ shutdownGraceMs: 0 });
    const gate = own.hold('Half an ans');
    const { body } = await ada
      .at(first.getHttpServer())
      .post('/chat', { project_id: projectId, message: 'One', background: true })
      .expect(202);
    const { assistant_message } = body as TurnBody;
    await gate.reached;
    await first.close();
    await expectSoon(async () =>
      expect((await ada.get(`/chat/messages/${assistant_message.id}`)).body).toMatchObject({
        status: 'completed',
        content: 'You said: One',
      }),
    );
    expect(own.keys.slice(0, 2)).toEqual([`Bearer ${KEY}`, `Bearer ${KEY}`]);
    expect(t.model.requests).toEqual([]);
  });

  it('is not used when its address is no longer allowed', async () => {
    await setKey();
    const strict = await t.another({ providerUrlAllow: [] });
    const response = await ada.at(strict.getHttpServer()).post('/chat', { project_id: projectId, message: 'Hi' });
    expectProblem(response, 'provider_address_refused');
    expect(own.requests).toEqual([]);
  });

  it('cannot be decrypted when its row was moved to another project', async () => {
    await setKey();
    const other = await ada.project();
    await ada.put(`/projects/${other.id}/provider-key`, custom({ api_key: 'sk-the-other-one' })).expect(200);
    await t.database.query(
      'update provider_keys k set sealed_key = o.sealed_key from provider_keys o where k.project_id = $1 and o.project_id = $2',
      [other.id, projectId],
    );
    const { body } = await ada.post('/chat', { project_id: other.id, message: 'Hi' });
    expect(body).toMatchObject({ code: 'internal_error' });
    expect(own.requests).toEqual([]);
  });
});

describe('setting a key', () => {
  it.each<[string, Record<string, unknown>, string]>([
    ['an unknown provider', { provider: 'acme' }, '/provider'],
    ['no key', { api_key: undefined }, '/api_key'],
    ['an empty key', { api_key: '' }, '/api_key'],
    ['a key that no header can carry', { api_key: 'sk-a\r\nx: y' }, '/api_key'],
    ['a key in other letters', { api_key: 'schlüssel' }, '/api_key'],
    ['no address for custom', { base_url: undefined }, '/base_url'],
    ['an address for openai', { provider: 'openai' }, '/base_url'],
    ['a private address', { base_url: 'https://10.0.0.1/v1' }, '/base_url'],
  ])('refuses %s', async (_, fields, pointer) => {
    const response = await ada.put(path, custom(fields));
    expectProblem(response, 'validation_failed', [pointer]);
    expect(response.text).not.toContain(KEY);
    expectProblem(await ada.get(path), 'not_found');
  });

  it('refuses every spelling of an internal address', async () => {
    const strict = ada.at((await t.another({ providerUrlAllow: [] })).getHttpServer());
    for (const { name, url } of SSRF_SPELLINGS) {
      const { status, body } = await strict.put(path, custom({ base_url: url }));
      const pointers = (body as { errors?: { pointer: string }[] }).errors?.map(({ pointer }) => pointer);
      expect({ name, status, pointers: new Set(pointers) }).toEqual({
        name,
        status: 422,
        pointers: new Set(['/base_url']),
      });
    }
  });

  it('happens once with an Idempotency-Key, and no transaction is open during the DNS lookup', async () => {
    const guard = t.app.get(OutboundGuard);
    const lookUp = guard.objectionTo.bind(guard);
    const open: object[] = [];
    const hook = jest.spyOn(guard, 'objectionTo').mockImplementation(async (url) => {
      open.push(
        ...(await t.database.query(
          `select query from pg_stat_activity
           where datname = current_database() and application_name = 'parley' and xact_start is not null`,
        )),
      );
      return lookUp(url);
    });
    try {
      const put = (body: Record<string, unknown>): Test => ada.put(path, body).set('idempotency-key', 'once');
      const first = await put(custom()).expect(200);
      const again = await put(custom()).expect(200);
      expect(again.headers['idempotent-replayed']).toBe('true');
      expect(again.body).toEqual(first.body);
      expectProblem(await put(custom({ api_key: 'another' })), 'idempotency_key_reused');
      expect(hook).toHaveBeenCalledTimes(1);
      expect(open).toEqual([]);
    } finally {
      hook.mockRestore();
    }
  });

  it('leaves the Idempotency-Key unused when the address is refused', async () => {
    const put = (base_url: string): Test => ada.put(path, custom({ base_url })).set('idempotency-key', 'again');
    expectProblem(await put('https://10.0.0.1/v1'), 'validation_failed', ['/base_url']);
    await put(own.url).expect(200);
  });

  it('answers 404 for a project of another user, for all three methods', async () => {
    await setKey();
    const eve = await TestUser.register(t);
    for (const at of [path, `/projects/${newId()}/provider-key`]) {
      expectProblem(await eve.put(at, custom()), 'not_found');
      expectProblem(await eve.get(at), 'not_found');
      expectProblem(await eve.delete(at), 'not_found');
    }
    await ada.get(path).expect(200);
  });

  it('keeps the old key when a later step fails', async () => {
    await setKey();
    await t.database.query(
      `alter table audit_events add constraint ck_broken check (action <> 'provider_key.set') not valid`,
    );
    expectProblem(await ada.put(path, custom({ api_key: 'sk-that-is-never-stored' })), 'internal_error');
    await t.database.query('alter table audit_events drop constraint ck_broken');
    expect((await ada.get(path)).body).toMatchObject({ hint: '…x7Qa' });
    await ada.turn({ project_id: projectId });
    expect(own.keys[0]).toBe(`Bearer ${KEY}`);
  });
});

describe('a rotation of the master key', () => {
  it('fails no running turn on instances that have both versions', async () => {
    await setKey();
    const [old, next] = [t.config.masterKeys as string, `2:${randomBytes(32).toString('base64')}`];
    const rotating = await t.another({ masterKeys: `${next},${old}` });
    const second = ada.at((await t.another({ masterKeys: `${old},${next}` })).getHttpServer());
    const users = await Promise.all(Array.from({ length: 20 }, () => TestUser.register(t)));
    const ids = await Promise.all(
      users.map(async (user) => {
        const { id } = await user.project({ model: 'own-model' });
        await user.put(`/projects/${id}/provider-key`, custom()).expect(200);
        return id;
      }),
    );
    const turns = users.flatMap((user, i) =>
      [user, user.at(rotating.getHttpServer())].map((at) => at.post('/chat', { project_id: ids[i], message: 'Hi' })),
    );
    const [result, ...answers] = await Promise.all([rotating.get(DataKeyRotation).run(), ...turns]);
    expect(result.wrapped).toBeGreaterThanOrEqual(20);
    expect(answers.map(({ status }) => status)).toEqual(turns.map(() => 200));
    await second.turn({ project_id: projectId });
    const alone = await t.another({ masterKeys: next });
    await (users[0] as TestUser).at(alone.getHttpServer()).turn({ project_id: ids[0] });
    expect(new Set(own.keys)).toEqual(new Set([`Bearer ${KEY}`]));
  });
});

it('never sends this server’s own key to a user’s address', async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    seen.push(JSON.stringify(request.headers));
    response.writeHead(401).end();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  await setKey({ base_url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1` });
  expect(await failure()).toBe('project_key_refused');
  server.close();
  expect(seen).toHaveLength(1);
  expect(seen[0]).toContain(KEY);
  expect(seen[0]).not.toContain('sk-test-canary');
});
