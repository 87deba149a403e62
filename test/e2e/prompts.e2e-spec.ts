import type { Response, Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { type ListedPage, listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Prompt {
  id: string;
  project_id: string;
  name: string | null;
  content: string;
  position: number;
  created_at: string;
  updated_at: string;
}

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown as string;

describe('prompts', () => {
  let t: TestApp;
  let ada: TestUser;
  let eve: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({ messageMaxChars: 1000 });
    [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
  });
  beforeEach(async () => {
    project = await ada.project();
  });
  afterAll(() => t.close());

  const add = async (...contents: string[]): Promise<string[]> => {
    const ids: string[] = [];
    for (const content of contents) ids.push((await ada.prompt(project.id, content)).id);
    return ids;
  };
  const listed = async (of = project): Promise<Prompt[]> =>
    ((await ada.get(`/projects/${of.id}/prompts?limit=100`).expect(200)).body as ListedPage<Prompt>).data;
  const order = (prompt_ids: unknown, of = project): Test =>
    ada.put(`/projects/${of.id}/prompts/order`, { prompt_ids } as Record<string, unknown>);
  const storedRows = (): Promise<unknown[]> => t.database.query('select * from prompts order by id');

  describe('by both sets of routes', () => {
    it('are created at the end, and read back as in the response', async () => {
      const fields = { name: 'Tone', content: 'Answer in the style of a friendly local.' };
      const nested = await ada.post(`/projects/${project.id}/prompts`, fields).expect(201);
      const flat = await ada.post('/prompts', { ...fields, project_id: project.id }).expect(201);
      const made = { ...fields, project_id: project.id, created_at: TIME, updated_at: TIME };
      expect(nested.body).toEqual({ ...made, id: expect.any(String) as string, position: 0 });
      expect(flat.body).toEqual({ ...made, id: expect.any(String) as string, position: 1 });
      for (const { body, headers } of [nested, flat]) {
        const read = await ada.get(`/prompts/${(body as Prompt).id}`).expect(200);
        expect(read.body).toEqual(body);
        expect(read.headers.etag).toBe(headers.etag);
      }
    });

    it('are listed in order, in pages, none twice and none missed', async () => {
      const ids = await add('a', 'b', 'c', 'd', 'e');
      for (const path of [`/projects/${project.id}/prompts`, `/prompts?project_id=${project.id}`]) {
        for (const limit of [1, 2, 5, 6]) {
          const pages = await listPages<Prompt>(ada, path, limit);
          expect(pages.flat().map(({ id }) => id)).toEqual(ids);
          expect(pages).toHaveLength(Math.ceil(5 / limit));
        }
      }
    });

    it('share cursors, which are valid for one project only', async () => {
      const ids = await add('a', 'b', 'c');
      const other = await ada.project();
      const { body } = await ada.get(`/projects/${project.id}/prompts?limit=1`).expect(200);
      const cursor = (body as ListedPage<Prompt>).next_cursor as string;
      const next = await ada.get(`/prompts?project_id=${project.id}&cursor=${cursor}`).expect(200);
      expect((next.body as ListedPage<Prompt>).data.map(({ id }) => id)).toEqual(ids.slice(1));
      expectProblem(await ada.get(`/prompts?project_id=${other.id}&cursor=${cursor}`), 'invalid_cursor');
      expectProblem(await ada.get(`/projects/${other.id}/prompts?cursor=${cursor}`), 'invalid_cursor');
      expectProblem(await ada.get(`/projects?cursor=${cursor}`), 'invalid_cursor');
    });

    it('answer 422 for a list without a project', async () => {
      expectProblem(await ada.get('/prompts'), 'validation_failed', ['?project_id']);
      expectProblem(await ada.get('/prompts?project_id=x'), 'validation_failed', ['?project_id']);
      expectProblem(await ada.get(`/prompts?project_id=${project.id}&limit=0`), 'validation_failed', ['?limit']);
      expectProblem(await ada.get(`/projects/${project.id}/prompts?limit=101`), 'validation_failed', ['?limit']);
    });
  });

  describe('one by one', () => {
    it('change only the fields of a PATCH, and lose their name by null', async () => {
      const { body } = await ada.post(`/projects/${project.id}/prompts`, { name: 'Tone', content: 'Old' });
      const before = body as Prompt;
      const path = `/prompts/${before.id}`;
      const changed = (await ada.patch(path, { content: 'New' }).expect(200)).body as Prompt;
      expect(changed).toEqual({ ...before, content: 'New', updated_at: TIME });
      const bare = (await ada.patch(path, { name: null }).expect(200)).body as Prompt;
      expect(bare).toEqual({ ...changed, name: null, updated_at: TIME });
      expect((await ada.patch(path, {}).expect(200)).body).toEqual(bare);
    });

    it('are counted again when their text changes', async () => {
      const [id] = await add('one');
      const tokens = async (): Promise<unknown> =>
        (await t.database.query<{ n: number }>('select content_tokens as n from prompts where id = $1', [id]))[0]?.n;
      expect(await tokens()).toBe(1);
      await ada.patch(`/prompts/${id}`, { content: 'one two three four' }).expect(200);
      expect(await tokens()).toBe(4);
      await ada.patch(`/prompts/${id}`, { name: 'Named' }).expect(200);
      expect(await tokens()).toBe(4);
    });

    it('are gone after DELETE, and the others keep their order and accept more', async () => {
      const [first, second, third] = await add('a', 'b', 'c');
      await ada.delete(`/prompts/${second}`).expect(204);
      expectProblem(await ada.get(`/prompts/${second}`), 'not_found');
      expectProblem(await ada.delete(`/prompts/${second}`), 'not_found');
      const [fourth] = await add('d');
      expect((await listed()).map(({ id }) => id)).toEqual([first, third, fourth]);
    });

    it('are deleted with their project', async () => {
      const ids = await add('a', 'b');
      await ada.delete(`/projects/${project.id}`).expect(204);
      for (const id of ids) expectProblem(await ada.get(`/prompts/${id}`), 'not_found');
      expect(await t.database.query('select 1 from prompts where project_id = $1', [project.id])).toEqual([]);
    });

    it('have an ETag; If-Match accepts the current one and *, and refuses an old one', async () => {
      const [id] = await add('a');
      const path = `/prompts/${id}`;
      const tag = (await ada.get(path)).headers.etag as string;
      await ada.patch(path, { content: 'b' }).set('if-match', tag).expect(200);
      for (const old of [tag, 'garbage']) {
        expectProblem(await ada.patch(path, { content: 'c' }).set('if-match', old), 'precondition_failed');
        expectProblem(await ada.delete(path).set('if-match', old), 'precondition_failed');
      }
      expect((await ada.get(path)).body).toMatchObject({ content: 'b' });
      await ada.patch(path, { content: 'c' }).set('if-match', '*').expect(200);
      await ada.delete(path).set('if-match', '*').expect(204);
    });

    it('get another ETag when they are moved, and keep it otherwise', async () => {
      const [first, second, third] = await add('a', 'b', 'c');
      const tags = async (): Promise<unknown[]> =>
        Promise.all([first, second, third].map(async (id) => (await ada.get(`/prompts/${id}`)).headers.etag));
      const before = await tags();
      await order([first, third, second]).expect(200);
      const after = await tags();
      expect(after.map((tag, index) => tag === before[index])).toEqual([true, false, false]);
    });
  });

  describe('refuse bad input with a pointer, and nothing is stored', () => {
    const bad: [string, Record<string, unknown>, string][] = [
      ['an empty text', { content: '' }, '/content'],
      ['a text over the limit', { content: 'x'.repeat(1001) }, '/content'],
      ['a text that is null', { content: null }, '/content'],
      ['a text that is a number', { content: 7 }, '/content'],
      ['a text with a NUL', { content: 'a\0b' }, '/content'],
      ['a text with half a surrogate pair', { content: 'a\udc00' }, '/content'],
      ['an empty name', { name: '' }, '/name'],
      ['a name of 201 characters', { name: 'x'.repeat(201) }, '/name'],
      ['a position', { position: 0 }, '/position'],
      ['a role', { role: 'user' }, '/role'],
      ['a user', { user_id: newId() }, '/user_id'],
      ['an id', { id: newId() }, '/id'],
      ['a version', { version: 2 }, '/version'],
    ];

    it.each(bad)('by POST and by PATCH: %s', async (_what, fields, pointer) => {
      const [id] = await add('Fine');
      const before = await storedRows();
      for (const answer of [
        await ada.post(`/projects/${project.id}/prompts`, { content: 'Fine', ...fields }),
        await ada.post('/prompts', { project_id: project.id, content: 'Fine', ...fields }),
        await ada.patch(`/prompts/${id}`, fields),
      ]) {
        expectProblem(answer, 'validation_failed', [pointer]);
      }
      expect(await storedRows()).toEqual(before);
    });

    it('another project, when the path or the prompt determines the project', async () => {
      const [id] = await add('Fine');
      const body = { content: 'Fine', project_id: project.id };
      expectProblem(await ada.post(`/projects/${project.id}/prompts`, body), 'validation_failed', ['/project_id']);
      expectProblem(await ada.patch(`/prompts/${id}`, { project_id: newId() }), 'validation_failed', ['/project_id']);
    });

    it('no project or a malformed project id in the body', async () => {
      for (const project_id of [undefined, null, 'x', 7]) {
        expectProblem(await ada.post('/prompts', { content: 'x', project_id }), 'validation_failed', ['/project_id']);
      }
    });

    it('a text of exactly the limit is accepted', async () => {
      await ada.post(`/projects/${project.id}/prompts`, { content: 'x'.repeat(1000) }).expect(201);
    });

    it('more than a hundred prompts are refused', async () => {
      await t.database.query(
        `insert into prompts (user_id, id, project_id, content, content_tokens, position)
         select $1, gen_random_uuid(), $2, 'x', 1, i from generate_series(0, 98) i`,
        [ada.id, project.id],
      );
      await add('the hundredth');
      expectProblem(await ada.post(`/projects/${project.id}/prompts`, { content: 'x' }), 'validation_failed');
      expect(await listed()).toHaveLength(100);
    });
  });

  describe('in order', () => {
    it('follow a PUT, in its response and in later lists', async () => {
      const [a, b, c, d] = await add('a', 'b', 'c', 'd');
      const wanted = [c, a, d, b];
      const { body } = await order(wanted).expect(200);
      expect((body as ListedPage<Prompt>).data.map(({ id }) => id)).toEqual(wanted);
      expect((body as ListedPage<Prompt>).next_cursor).toBeNull();
      expect((await listed()).map(({ id, position }) => [id, position])).toEqual(wanted.map((id, i) => [id, i]));
      expect(body).toMatchObject({ data: await listed() });
    });

    it('stay the same after a repeated PUT', async () => {
      const ids = (await add('a', 'b', 'c')).reverse();
      await order(ids).expect(200);
      const before = await storedRows();
      await order(ids).expect(200);
      expect(await storedRows()).toEqual(before);
    });

    it('can be an empty list', async () => {
      expect((await order([]).expect(200)).body).toEqual({ data: [], next_cursor: null });
    });

    it.each<[string, (ids: string[], foreign: string, other: string) => unknown]>([
      ['one is missing', (ids) => ids.slice(1)],
      ['there are none', () => []],
      ['one is repeated', (ids) => [...ids, ids[0]]],
      ['one is repeated in place of another', ([a, b]) => [a, b, b]],
      ['one is of another project', ([a, b], _, other) => [a, b, other]],
      ['one is of another user', ([a, b], foreign) => [a, b, foreign]],
      ['one is more, of another user', (ids, foreign) => [...ids, foreign]],
      ['one does not exist', (ids) => [...ids, newId()]],
      ['one is not an id', ([a, b]) => [a, b, 'x']],
      ['one is null', ([a, b]) => [a, b, null]],
      ['they are a text', ([a]) => a],
      ['they are absent', () => undefined],
      ['they are more than a hundred', () => Array.from({ length: 101 }, () => newId())],
    ])('stay unchanged when %s', async (_what, wrong) => {
      const ids = await add('a', 'b', 'c');
      const foreign = await eve.prompt((await eve.project()).id);
      const other = await ada.prompt((await ada.project()).id);
      const before = await storedRows();
      expectProblem(await order(wrong(ids, foreign.id, other.id)), 'validation_failed', ['/prompt_ids']);
      expect(await storedRows()).toEqual(before);
    });

    it('get distinct positions when twenty are added at once', async () => {
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, i) => ada.post(`/projects/${project.id}/prompts`, { content: `${i}` })),
      );
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 201));
      expect((await listed()).map(({ position }) => position)).toEqual(answers.map((_, i) => i));
    });

    it('have one of both orders after two concurrent PUTs', async () => {
      const ids = await add('a', 'b', 'c', 'd', 'e');
      const reversed = [...ids].reverse();
      const answers = await Promise.all([...Array(5)].flatMap(() => [order(ids), order(reversed)]));
      expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
      expect([ids, reversed]).toContainEqual((await listed()).map(({ id }) => id));
    });
  });

  describe('are hidden from other users', () => {
    it.each<[string, (user: TestUser, id: string) => Test]>([
      ['GET', (user, id) => user.get(`/prompts/${id}`)],
      ['PATCH', (user, id) => user.patch(`/prompts/${id}`, { content: 'Be evil.' })],
      ['PATCH with If-Match', (user, id) => user.patch(`/prompts/${id}`, { content: 'x' }).set('if-match', '"7"')],
      ['DELETE', (user, id) => user.delete(`/prompts/${id}`)],
    ])('%s answers byte for byte as for an unknown id, and changes nothing', async (_verb, ask) => {
      const [id] = await add('a');
      const before = await storedRows();
      const answers: Response[] = [];
      for (const asked of [id as string, newId(), 'malformed']) answers.push(await ask(eve, asked));
      for (const answer of answers) {
        expectProblem(answer, 'not_found');
        expect(bareAnswer(answer)).toEqual(bareAnswer(answers[0] as Response));
      }
      expect(await storedRows()).toEqual(before);
    });
  });
});
