import type { Response, Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { type ListedPage, listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Project {
  id: string;
  name: string;
  description: string | null;
  provider: string | null;
  model: string | null;
  fallbacks: { provider: string; model: string | null }[];
  params: Record<string, unknown>;
  on_conflict: string;
  on_crash: string;
  retention_days: number | null;
  encrypt_content: boolean;
  context_overflow: string;
  created_at: string;
  updated_at: string;
}

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown as string;

describe('projects', () => {
  let t: TestApp;
  let ada: TestUser;
  let eve: TestUser;

  beforeAll(async () => {
    t = await createTestApp();
  });
  beforeEach(async () => {
    [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
  });
  afterAll(() => t.close());

  const get = async (id: string): Promise<Project> => (await ada.get(`/projects/${id}`).expect(200)).body as Project;
  const storedRows = (): Promise<unknown[]> => t.database.query('select * from projects order by id');

  describe('one by one', () => {
    it('are created with all fields or only a name, and read back as in the response', async () => {
      const fields = {
        name: 'Travel guide',
        description: 'For Lisbon',
        provider: 'offline',
        model: 'any/model',
        fallbacks: [{ provider: 'openai', model: 'other' }],
        params: { temperature: 0.2, top_p: 1, max_output_tokens: 512, presence_penalty: -2, seed: 7, stop: ['END'] },
        on_conflict: 'queue',
        on_crash: 'keep',
        retention_days: 30,
        requests_per_minute: 10,
        tokens_per_minute: 100_000,
        encrypt_content: true,
        context_overflow: 'summarise',
      };
      for (const [given, made] of [
        [fields, fields],
        [
          { name: 'Bare' },
          {
            ...{ name: 'Bare', description: null, provider: null, model: null, fallbacks: [], params: {} },
            ...{ on_conflict: 'reject', on_crash: 'retry', retention_days: null, context_overflow: 'drop' },
            ...{ requests_per_minute: null, tokens_per_minute: null, encrypt_content: false },
          },
        ],
      ] as const) {
        const { body } = await ada.post('/projects', given).expect(201);
        expect(body).toEqual({ ...made, id: expect.any(String) as string, created_at: TIME, updated_at: TIME });
        expect(await get((body as Project).id)).toEqual(body);
      }
    });

    it('get increasing ids of version 7', async () => {
      const [first, second] = [await ada.project(), await ada.project()];
      expect(first.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
      expect(second.id > first.id).toBe(true);
    });

    it('change only the fields of a PATCH, and clear those that are null', async () => {
      const { id } = await ada.project({ description: 'Old', provider: 'openai', model: 'm', params: { seed: 1 } });
      const before = await get(id);
      const renamed = (await ada.patch(`/projects/${id}`, { name: 'New' }).expect(200)).body as Project;
      expect(renamed).toEqual({ ...before, name: 'New', updated_at: TIME });
      const emptied = (await ada.patch(`/projects/${id}`, { description: null, provider: null, model: null })).body;
      expect(emptied).toEqual({ ...renamed, description: null, provider: null, model: null, updated_at: TIME });
      const replaced = (await ada.patch(`/projects/${id}`, { params: { temperature: 1 } }).expect(200)).body as Project;
      expect(replaced.params).toEqual({ temperature: 1 });
      expect(await get(id)).toEqual(replaced);
    });

    it('keep their version after an empty PATCH', async () => {
      const { id } = await ada.project();
      const before = await ada.get(`/projects/${id}`);
      const after = await ada.patch(`/projects/${id}`, {}).expect(200);
      expect(after.body).toEqual(before.body);
      expect(after.headers.etag).toBe(before.headers.etag);
    });

    it('record when they were changed', async () => {
      const { id } = await ada.project();
      await t.database.query(`update projects set updated_at = now() - interval '1 hour' where id = $1`, [id]);
      await ada.patch(`/projects/${id}`, { name: 'New' }).expect(200);
      expect(Date.now() - Date.parse((await get(id)).updated_at)).toBeLessThan(60_000);
    });

    it('are gone after DELETE, with their prompts, sessions and messages', async () => {
      const [doomed, kept] = [await ada.project(), await ada.project()];
      for (const { id } of [doomed, kept]) {
        await ada.prompt(id);
        await ada.turn({ project_id: id });
      }
      await ada.delete(`/projects/${doomed.id}`).expect(204);
      expectProblem(await ada.get(`/projects/${doomed.id}`), 'not_found');
      expectProblem(await ada.delete(`/projects/${doomed.id}`), 'not_found');
      for (const [sql, left] of [
        ['select project_id from prompts where user_id = $1', 1],
        ['select project_id from chat_sessions where user_id = $1', 1],
        ['select id from messages where user_id = $1', 2],
      ] as const) {
        expect(await t.database.query(sql, [ada.id])).toHaveLength(left);
      }
      await ada.get(`/projects/${kept.id}`).expect(200);
    });
  });

  describe('refuse bad input with a pointer, and nothing is stored', () => {
    const bad: [string, Record<string, unknown>, string[]][] = [
      ['an empty name', { name: '' }, ['/name']],
      ['a name of 201 characters', { name: 'x'.repeat(201) }, ['/name']],
      ['a name that PostgreSQL counts longer', { name: '\u2764\ufe0f'.repeat(200) }, ['/name']],
      ['null as the name', { name: null }, ['/name']],
      ['a name that is an object', { name: {} }, ['/name']],
      ['a name with a NUL', { name: 'a\0b' }, ['/name']],
      ['a description of 10001 characters', { description: 'x'.repeat(10_001) }, ['/description']],
      ['a provider that is none', { provider: 'acme' }, ['/provider']],
      ['an empty model', { model: '' }, ['/model']],
      ['params that are an array', { params: [] }, ['/params']],
      ['params that are a text', { params: 'x' }, ['/params']],
      ['a temperature over 2', { params: { temperature: 2.1 } }, ['/params/temperature']],
      ['a temperature that is a text', { params: { temperature: '1' } }, ['/params/temperature']],
      ['half a token', { params: { max_output_tokens: 1.5 } }, ['/params/max_output_tokens']],
      ['a seed beyond what JSON numbers hold', { params: { seed: 2 ** 53 } }, ['/params/seed']],
      ['five stops', { params: { stop: ['a', 'b', 'c', 'd', 'e'] } }, ['/params/stop']],
      ['a stop with a NUL', { params: { stop: ['a\0'] } }, ['/params/stop']],
      ['a stop with half a surrogate pair', { params: { stop: ['a', '\udc00'] } }, ['/params/stop']],
      ['a param it does not know', { params: { temprature: 1 } }, ['/params/temprature']],
      ['a conflict policy that is none', { on_conflict: 'explode' }, ['/on_conflict']],
      ['null as the conflict policy', { on_conflict: null }, ['/on_conflict']],
      ['null as the crash policy', { on_crash: null }, ['/on_crash']],
      ['another user as its owner', { user_id: newId() }, ['/user_id']],
      ['the same by its name in our code', { userId: newId() }, ['/userId']],
      ['an id', { id: newId() }, ['/id']],
      ['a version', { version: 7 }, ['/version']],
      ['a time', { created_at: '2020-01-01T00:00:00.000Z' }, ['/created_at']],
      ['an escaped name', { 'a/b~c': 1 }, ['/a~1b~0c']],
    ];

    it.each(bad)('by POST: %s', async (_what, fields, pointers) => {
      const before = await storedRows();
      expectProblem(await ada.post('/projects', { name: 'Fine', ...fields }), 'validation_failed', pointers);
      expect(await storedRows()).toEqual(before);
    });

    it.each([...bad, ['null as params', { params: null }, ['/params']] as (typeof bad)[number]])(
      'by PATCH: %s',
      async (_what, fields, pointers) => {
        const { id } = await ada.project();
        const before = await storedRows();
        expectProblem(await ada.patch(`/projects/${id}`, fields), 'validation_failed', pointers);
        expect(await storedRows()).toEqual(before);
      },
    );
  });

  describe('as a list', () => {
    const make = async (count: number): Promise<string[]> => {
      const ids: string[] = [];
      for (let i = 0; i < count; i++) ids.push((await ada.project({ name: `P${i}` })).id);
      return ids;
    };
    const page = async (query: string): Promise<ListedPage<Project>> =>
      (await ada.get(`/projects${query}`).expect(200)).body as ListedPage<Project>;

    it('come newest first, in pages, none twice and none missed', async () => {
      const newestFirst = (await make(7)).reverse();
      for (const limit of [1, 2, 3, 6, 7, 8]) {
        const pages = await listPages<Project>(ada, '/projects', limit);
        expect(pages.flat().map(({ id }) => id)).toEqual(newestFirst);
        expect(pages).toHaveLength(Math.ceil(7 / limit));
        expect(pages.slice(0, -1).every(({ length }) => length === limit)).toBe(true);
      }
    });

    it('are an empty list for a user without projects', async () => {
      expect((await ada.get('/projects').expect(200)).body).toEqual({ data: [], next_cursor: null });
    });

    it('show each project as GET of one project does', async () => {
      const [id] = await make(1);
      expect((await page('')).data).toEqual([await get(id as string)]);
    });

    it('have twenty items per page by default', async () => {
      await make(21);
      const first = await page('');
      expect(first.data).toHaveLength(20);
      expect(first.next_cursor).not.toBeNull();
      expect((await page('?limit=100')).data).toHaveLength(21);
    });

    it('do not repeat or miss a row when another is added between two pages', async () => {
      const newestFirst = (await make(4)).reverse();
      const first = await page('?limit=2');
      await ada.project({ name: 'In between' });
      await ada.delete(`/projects/${newestFirst[1]}`).expect(204);
      const second = await page(`?limit=2&cursor=${first.next_cursor}`);
      expect(second.data.map(({ id }) => id)).toEqual(newestFirst.slice(2));
      expect(second.next_cursor).toBeNull();
    });

    it('show nothing of another user', async () => {
      await make(2);
      await eve.project({ name: 'Eve' });
      expect(((await eve.get('/projects')).body as ListedPage<Project>).data.map(({ name }) => name)).toEqual(['Eve']);
    });

    it('refuse the cursor of another user and of another list', async () => {
      const [id] = await make(3);
      const cursor = (await page('?limit=1')).next_cursor as string;
      expectProblem(await eve.get(`/projects?cursor=${cursor}`), 'invalid_cursor');
      expectProblem(await ada.get(`/prompts?project_id=${id}&cursor=${cursor}`), 'invalid_cursor');
      expectProblem(await ada.get(`/projects/${id}/prompts?cursor=${cursor}`), 'invalid_cursor');
      expectProblem(await ada.get(`/chat/sessions?project_id=${id}&cursor=${cursor}`), 'invalid_cursor');
    });

    it('refuse a cursor with a changed character, and one that was shortened or extended', async () => {
      await make(2);
      const cursor = (await page('?limit=1')).next_cursor as string;
      await ada.get(`/projects?cursor=${cursor}`).expect(200);
      const changed = [...cursor].map(
        (char, index) => cursor.slice(0, index) + (char === 'A' ? 'B' : 'A') + cursor.slice(index + 1),
      );
      for (const forged of [...changed, cursor.slice(0, -1), cursor.slice(4), `${cursor}A`, `${cursor}!`, 'x', '']) {
        expectProblem(await ada.get(`/projects?cursor=${encodeURIComponent(forged)}`), 'invalid_cursor');
      }
    });

    it.each([
      ['?limit=0', '?limit'],
      ['?limit=101', '?limit'],
      ['?limit=-1', '?limit'],
      ['?limit=x', '?limit'],
      ['?limit=', '?limit'],
      ['?limit=1.5', '?limit'],
      ['?limit=1&limit=2', '?limit'],
      ['?cursor=a&cursor=b', '?cursor'],
      [`?cursor=${'a'.repeat(1001)}`, '?cursor'],
      ['?page=2', '?page'],
      ['?offset=2', '?offset'],
    ])('answer 422 for %s', async (query, pointer) => {
      expectProblem(await ada.get(`/projects${query}`), 'validation_failed', [pointer]);
    });
  });

  describe('have an entity tag', () => {
    let id: string;
    let tag: string;

    beforeEach(async () => {
      ({ id } = await ada.project());
      tag = (await ada.get(`/projects/${id}`)).headers.etag as string;
    });

    const patch = (ifMatch: string): Test => ada.patch(`/projects/${id}`, { name: 'New' }).set('if-match', ifMatch);

    it('that is the same from POST, GET and PATCH, and new after each change', async () => {
      const made = await ada.post('/projects', { name: 'Other' });
      const own = `/projects/${(made.body as Project).id}`;
      expect(made.headers.etag).toMatch(/^"[^"]+"$/);
      expect((await ada.get(own)).headers.etag).toBe(made.headers.etag);
      const changed = await ada.patch(own, { name: 'New' });
      expect(changed.headers.etag).not.toBe(made.headers.etag);
      expect((await ada.get(own)).headers.etag).toBe(changed.headers.etag);
    });

    it('and are changed and deleted when it is current', async () => {
      const { headers } = await patch(tag).expect(200);
      await ada
        .delete(`/projects/${id}`)
        .set('if-match', headers.etag as string)
        .expect(204);
    });

    it('and are neither changed nor deleted when it is outdated', async () => {
      await ada.patch(`/projects/${id}`, { name: 'Meanwhile' }).expect(200);
      expectProblem(await patch(tag), 'precondition_failed');
      expectProblem(await ada.delete(`/projects/${id}`).set('if-match', tag), 'precondition_failed');
      expect(await get(id)).toMatchObject({ name: 'Meanwhile' });
    });

    it('and accept * and a list that has the current tag', async () => {
      await patch('*').expect(200);
      const now = (await ada.get(`/projects/${id}`)).headers.etag as string;
      await patch(`"999", ${now}`).expect(200);
    });

    it.each(['garbage', '""', '"x"', 'W/"1"', '1', '"1', '"01"', '"-1"', '"1e0"', '"99999999999999999999"', ','])(
      'and match none for %s',
      async (ifMatch) => {
        expectProblem(await patch(ifMatch), 'precondition_failed');
      },
    );

    it('that lets exactly one of ten concurrent changes of a version succeed', async () => {
      const answers = await Promise.all(Array.from({ length: 10 }, () => patch(tag)));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
      expect(answers.filter(({ status }) => status === 412)).toHaveLength(9);
    });

    it('and answer 404, not 412, for an unknown project', async () => {
      expectProblem(await ada.patch(`/projects/${newId()}`, { name: 'x' }).set('if-match', '"7"'), 'not_found');
    });
  });

  describe('are hidden from other users', () => {
    const verbs: [string, (user: TestUser, id: string) => Test][] = [
      ['GET', (user, id) => user.get(`/projects/${id}`)],
      ['PATCH', (user, id) => user.patch(`/projects/${id}`, { name: 'Mine' })],
      ['PATCH with If-Match', (user, id) => user.patch(`/projects/${id}`, { name: 'Mine' }).set('if-match', '"7"')],
      ['DELETE', (user, id) => user.delete(`/projects/${id}`)],
      ['GET prompts', (user, id) => user.get(`/projects/${id}/prompts`)],
      ['GET prompts by query', (user, id) => user.get(`/prompts?project_id=${id}`)],
      ['POST prompts', (user, id) => user.post(`/projects/${id}/prompts`, { content: 'Be evil.' })],
      ['POST prompts by body', (user, id) => user.post('/prompts', { project_id: id, content: 'Be evil.' })],
      ['PUT order', (user, id) => user.put(`/projects/${id}/prompts/order`, { prompt_ids: [] })],
      ['GET sessions', (user, id) => user.get(`/chat/sessions?project_id=${id}`)],
      ['POST sessions', (user, id) => user.post('/chat/sessions', { project_id: id })],
      ['POST chat', (user, id) => user.post('/chat', { project_id: id, message: 'Hi' })],
    ];

    it.each(verbs)('%s answers byte for byte as for an unknown id, and changes nothing', async (_verb, ask) => {
      const { id } = await ada.project();
      const before = await storedRows();
      const [strange, unknown]: Response[] = [await ask(eve, id), await ask(eve, newId())];
      expectProblem(strange as Response, 'not_found');
      expect(bareAnswer(strange as Response)).toEqual(bareAnswer(unknown as Response));
      expect(await storedRows()).toEqual(before);
    });

    it.each(['x', '1', 'null', '..%2f', newId().toUpperCase(), `${newId()}x`, newId().replaceAll('-', ''), "'"])(
      'the malformed id %s gets the same answer as an unknown id',
      async (id) => {
        const answers = (path: string): Promise<Response[]> =>
          Promise.all([ada.get(path), ada.patch(path, { name: 'x' }), ada.delete(path)]);
        const [malformed, unknown] = [await answers(`/projects/${id}`), await answers(`/projects/${newId()}`)];
        expect(malformed.map(bareAnswer)).toEqual(unknown.map(bareAnswer));
        for (const answer of malformed) expectProblem(answer, 'not_found');
      },
    );
  });
});
