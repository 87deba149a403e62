import { jest } from '@jest/globals';
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import request, { type Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { ApiKeyAccess } from '../../src/modules/auth/api-key-access.js';
import { ApiKeysRepository } from '../../src/modules/auth/api-keys.repository.js';
import { TestUser } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Key {
  id: string;
  key: string;
  prefix: string;
  last_used_at: string | null;
}

let t: TestApp;
let ada: TestUser;

beforeAll(async () => {
  t = await createTestApp();
});
afterAll(() => t.close());
beforeEach(async () => {
  ada = await TestUser.register(t);
});

const create = (fields: object = {}): Test =>
  ada.post('/auth/api-keys', { name: 'Report', scopes: ['read'], ...fields });
const made = async (fields: object = {}): Promise<Key> => (await create(fields).expect(201)).body as Key;
const get = (key: string, path = '/projects'): Test =>
  request(t.server).get(path).set('authorization', `Bearer ${key}`);
const rowsOf = (): Promise<object[]> => t.database.query('select * from api_keys where user_id = $1', [ada.id]);

describe('making an API key', () => {
  it('shows the key once, stores only its hash, and lists the other fields', async () => {
    const project = await ada.project();
    const expires_at = '2099-01-01T00:00:00.000Z';
    const { key, ...shown } = await made({ scopes: ['read', 'chat'], project_id: project.id, expires_at });
    expect(key).toMatch(/^prk_[\w-]{56}$/);
    expect(shown).toEqual({
      id: expect.any(String) as string,
      name: 'Report',
      prefix: key.slice(0, 12),
      scopes: ['read', 'chat'],
      project_id: project.id,
      created_at: expect.any(String) as string,
      last_used_at: null,
      expires_at,
      requests_per_minute: null,
      tokens_per_minute: null,
    });
    expect((await ada.get('/auth/api-keys').expect(200)).body).toEqual({ data: [shown], next_cursor: null });
    const [row] = (await rowsOf()) as { key_hash: Buffer }[];
    expect(row?.key_hash).toEqual(createHash('sha256').update(key).digest());
    expect(JSON.stringify(row)).not.toContain(key);
  });

  it('happens once with an Idempotency-Key, which does not store the key', async () => {
    const send = (): Test => create().set('idempotency-key', 'once');
    const first = (await send().expect(201)).body as Key;
    const again = await send().expect(201);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expect(again.body).toEqual({ ...first, key: null });
    expect(await rowsOf()).toHaveLength(1);
    const kept = await t.database.query('select * from idempotency_keys where user_id = $1', [ada.id]);
    expect(kept).toHaveLength(1);
    expect(JSON.stringify(kept)).not.toContain(first.key);
  });

  it.each<[string, object, string]>([
    ['no name', { name: undefined }, '/name'],
    ['an empty name', { name: '' }, '/name'],
    ['no scopes', { scopes: undefined }, '/scopes'],
    ['an empty list of scopes', { scopes: [] }, '/scopes'],
    ['an unknown scope', { scopes: ['admin'] }, '/scopes'],
    ['a scope twice', { scopes: ['read', 'read'] }, '/scopes'],
    ['a malformed project id', { project_id: 'x' }, '/project_id'],
    ['an end in the past', { expires_at: '2020-01-01T00:00:00Z' }, '/expires_at'],
    ['an end that is not a time', { expires_at: 'tomorrow' }, '/expires_at'],
    ['a key chosen by the client', { key: 'prk_x' }, '/key'],
  ])('refuses %s with a pointer', async (_what, fields, pointer) => {
    const answer = await create(fields);
    expectProblem(answer, 'validation_failed');
    const { errors } = answer.body as { errors: { pointer: string }[] };
    expect(errors.map((error) => error.pointer.split('/', 2).join('/'))).toContain(pointer);
    expect(await rowsOf()).toEqual([]);
  });

  it('answers 404 for a project of another user', async () => {
    const eve = await TestUser.register(t);
    const { id: project_id } = await eve.project();
    expectProblem(await create({ project_id }), 'not_found');
    expectProblem(await create({ project_id: newId() }), 'not_found');
  });

  it("lists only the user's own keys, newest first, in pages", async () => {
    const eve = await TestUser.register(t);
    await eve.apiKey();
    const ids = [(await made()).id, (await made()).id, (await made()).id];
    const pages = await listPages<Key>(ada, '/auth/api-keys', 2);
    expect(pages.map((page) => page.map(({ id }) => id))).toEqual([[ids[2], ids[1]], [ids[0]]]);
  });
});

describe('an API key', () => {
  it('is accepted in the same header as an access token', async () => {
    const { key } = await made();
    for (let i = 0; i < 2; i++) await get(key).expect(200);
    expectProblem(await request(t.server).get(`/projects?api_key=${key}`), 'unauthenticated');
    for (const header of [key, `Bearer ${key} junk`, `Bearer ${key}, Bearer ${key}`, `Basic Bearer ${key}`]) {
      expectProblem(await request(t.server).get('/projects').set('authorization', header), 'unauthenticated');
    }
  });

  it.each<[string, (key: string) => string]>([
    ['without its prefix', (key) => key.slice(4)],
    ['with its last character missing', (key) => key.slice(0, -1)],
    ['with one character more', (key) => `${key}A`],
    ['with another character', (key) => key.slice(0, 20) + (key[20] === 'A' ? 'B' : 'A') + key.slice(21)],
    ['in upper case', (key) => key.toUpperCase()],
    ['that is only the prefix', () => 'prk_'],
    ['that is made up', () => `prk_${'A'.repeat(56)}`],
  ])('is refused %s', async (_what, change) => {
    const { key } = await made();
    expectProblem(await get(change(key)), 'unauthenticated');
  });

  it('that is made up is refused without a query', async () => {
    const find = jest.spyOn(t.app.get(ApiKeysRepository), 'findByHash');
    try {
      for (let i = 0; i < 20; i++) await get(`prk_${String(i).padStart(56, 'A')}`).expect(401);
      expect(find).not.toHaveBeenCalled();
    } finally {
      find.mockRestore();
    }
  });

  it('is looked up once for concurrent requests and for those that follow', async () => {
    const { key } = await made();
    const find = jest.spyOn(t.app.get(ApiKeysRepository), 'findByHash');
    try {
      const answers = await Promise.all(Array.from({ length: 10 }, () => get(key)));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      await get(key).expect(200);
      expect(find).toHaveBeenCalledTimes(1);
      await ada.delete(`/auth/api-keys/${(await listPages<Key>(ada, '/auth/api-keys', 9))[0]?.[0]?.id}`).expect(204);
      for (let i = 0; i < 5; i++) await get(key).expect(401);
      expect(find).toHaveBeenCalledTimes(1);
    } finally {
      find.mockRestore();
    }
  });

  it('expires to the second, even when it was used just before', async () => {
    const { key } = await made({ expires_at: new Date(Date.now() + 1500).toISOString() });
    await get(key).expect(200);
    await sleep(1600);
    expectProblem(await get(key), 'unauthenticated');
  });

  it('that was revoked is refused at once on all instances, and is unknown afterwards', async () => {
    const other = await t.another();
    const there = (key: string): Test =>
      request(other.getHttpServer()).get('/projects').set('authorization', `Bearer ${key}`);
    const [lost, kept] = [await made(), await made()];
    for (const { key } of [lost, kept]) await there(key).expect(200);
    await ada.delete(`/auth/api-keys/${lost.id}`).expect(204);
    expectProblem(await get(lost.key), 'unauthenticated');
    await expectSoon(async () => expectProblem(await there(lost.key), 'unauthenticated'));
    await there(kept.key).expect(200);
    expectProblem(await ada.delete(`/auth/api-keys/${lost.id}`), 'not_found');
  });

  it('of another user cannot be revoked', async () => {
    const eve = await TestUser.register(t);
    const { id, key } = await made();
    expectProblem(await eve.delete(`/auth/api-keys/${id}`), 'not_found');
    await get(key).expect(200);
  });

  it('stays valid when its revocation cannot be written', async () => {
    const { id, key } = await made();
    await t.database.query('alter table revocations add constraint ck_test check (false) not valid');
    try {
      expectProblem(await ada.delete(`/auth/api-keys/${id}`), 'internal_error');
    } finally {
      await t.database.query('alter table revocations drop constraint ck_test');
    }
    await get(key).expect(200);
    expect(await rowsOf()).toHaveLength(1);
  });

  it('outlives the sign-in that created it, and is deleted with the account', async () => {
    const { key } = await made();
    const second = await TestUser.register(t);
    await ada.post('/auth/logout').expect(204);
    await get(key).expect(200);
    const { key: hers } = await second.apiKey();
    await get(hers).expect(200);
    await second.erase().expect(204);
    expectProblem(await get(hers), 'unauthenticated');
  });
});

describe('the last use of a key', () => {
  const lastUse = async (): Promise<string | null | undefined> =>
    ((await ada.get('/auth/api-keys').expect(200)).body as { data: Key[] }).data[0]?.last_used_at;

  it('is written in one statement for all keys, apart from the requests', async () => {
    const keys = [await made(), await made()];
    const write = jest.spyOn(t.app.get(ApiKeysRepository), 'markUsed');
    try {
      for (const { key } of [...keys, ...keys]) await get(key).expect(200);
      expect(await lastUse()).toBeNull();
      await t.app.get(ApiKeyAccess).writeUses();
      await t.app.get(ApiKeyAccess).writeUses();
      expect(write).toHaveBeenCalledTimes(1);
      expect(Date.parse((await lastUse()) as string)).toBeGreaterThan(Date.now() - 10_000);
    } finally {
      write.mockRestore();
    }
  });

  it('is written when an instance shuts down', async () => {
    const { key } = await made();
    const other = await t.another();
    await request(other.getHttpServer()).get('/projects').set('authorization', `Bearer ${key}`).expect(200);
    expect(await lastUse()).toBeNull();
    await other.close();
    expect(await lastUse()).not.toBeNull();
  });
});
