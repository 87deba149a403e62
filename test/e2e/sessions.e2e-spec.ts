import type { Response, Test } from 'supertest';
import { newId } from '../../src/kernel/ids.js';
import { type MessageBody, TestUser } from '../support/as-user.js';
import { bareAnswer } from '../support/bare-answer.js';
import { expectProblem } from '../support/expect-problem.js';
import { type ListedPage, listPages } from '../support/list-pages.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

interface Session {
  id: string;
  project_id: string;
  title: string | null;
  archived: boolean;
  pinned: boolean;
  metadata: Record<string, unknown>;
  created_at: string;
  last_active_at: string;
}

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/) as unknown as string;

let t: TestApp;
let ada: TestUser;
let eve: TestUser;
let project: { id: string };

beforeAll(async () => {
  t = await createTestApp();
  [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
});
beforeEach(async () => {
  project = await ada.project();
});
afterAll(() => t.close());

const make = async (fields: Record<string, unknown> = {}): Promise<Session> =>
  (await ada.post('/chat/sessions', { project_id: project.id, ...fields }).expect(201)).body as Session;
const get = async (id: string): Promise<Session> => (await ada.get(`/chat/sessions/${id}`).expect(200)).body as Session;
const patch = (id: string, fields: Record<string, unknown>): Test => ada.patch(`/chat/sessions/${id}`, fields);
const listed = async (query = ''): Promise<Session[]> =>
  ((await ada.get(`/chat/sessions?project_id=${project.id}&limit=100${query}`).expect(200)).body as ListedPage<Session>)
    .data;
const storedRows = (): Promise<unknown[]> =>
  t.database.query('select s::text from chat_sessions s union all select m::text from messages m order by 1');

describe('sessions', () => {
  it('are created empty, with all fields or only the project, and read back as in the response', async () => {
    const fields = { title: 'Lisbon', metadata: { colour: 'blue', tags: [1, null, true, { deep: 'yes' }] } };
    for (const [given, made] of [
      [fields, fields],
      [{}, { title: null, metadata: {} }],
    ] as const) {
      const session = await make(given);
      expect(session).toEqual({
        ...made,
        id: expect.any(String) as string,
        project_id: project.id,
        archived: false,
        pinned: false,
        created_at: TIME,
        last_active_at: TIME,
      });
      expect(await get(session.id)).toEqual(session);
      expect((await ada.get(`/chat/sessions/${session.id}/messages`).expect(200)).body).toEqual({
        data: [],
        next_cursor: null,
      });
    }
  });

  it('accept turns that name them, with or without their project', async () => {
    const { id } = await make();
    const first = await ada.turn({ session_id: id, message: 'One' });
    const second = await ada.turn({ session_id: id, project_id: project.id, message: 'Two' });
    expect([first.session_id, second.session_id]).toEqual([id, id]);
    expect(second.user_message.parent_id).toBe(first.assistant_message.id);
    expect(await listed()).toHaveLength(1);
  });

  it('refuse a turn for another project, even of the same user, and store nothing', async () => {
    const { id } = await make();
    const other = await ada.project();
    const before = await storedRows();
    for (const project_id of [other.id, newId(), (await eve.project()).id]) {
      expectProblem(await ada.post('/chat', { session_id: id, project_id, message: 'Hi' }), 'not_found');
    }
    expect(await storedRows()).toEqual(before);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['a NUL in the name of the model', { model: 'a\0b' }, '/model'],
    ['half a surrogate pair in it', { model: 'a\ud800' }, '/model'],
    ['a name that is longer than it looks', { model: '\u2764\ufe0f'.repeat(200) }, '/model'],
    ['a NUL in a stop', { params: { stop: ['\0'] } }, '/params/stop'],
  ])('refuse a turn that cannot be stored, with %s', async (_what, fields, pointer) => {
    const before = await storedRows();
    const turn = { project_id: project.id, message: 'Hi', ...fields };
    expectProblem(await ada.post('/chat', turn), 'validation_failed', [pointer]);
    expect(await storedRows()).toEqual(before);
  });

  it('are renamed, archived, pinned and tagged field by field; absent fields stay', async () => {
    let session = await make({ title: 'Old', metadata: { a: 1 } });
    for (const change of [
      { title: 'New' },
      { archived: true },
      { pinned: true },
      { metadata: { b: [2] } },
      { title: null },
      { archived: false },
      { pinned: false },
      { metadata: {} },
      {},
    ]) {
      const { body } = await patch(session.id, change).expect(200);
      expect(body).toEqual({ ...session, ...change });
      expect(await get(session.id)).toEqual(body);
      session = body as Session;
    }
  });

  it('keep their last activity when they are changed', async () => {
    const [older, newer] = [await make(), await make()];
    await patch(older.id, { title: 'Changed', pinned: true }).expect(200);
    expect((await listed()).map(({ id }) => id)).toEqual([newer.id, older.id]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['the key of a class', { constructor: 'Ferrari', prototype: {}, toString: 1, valueOf: null, then: 1, length: 2 }],
    ['a text that looks like an escape', { text: '\\u0000 and \\ud800' }],
    ['numbers of all kinds', { n: [0, -1, 1.5, 1e21, 2 ** 53 - 1] }],
    ['text of all kinds', { '': 'é\u0301 😀 "quoted" \\ / \u2028 \u001f' }],
    ['eight levels', { a: { b: { c: { d: { e: { f: { g: 'deep' } } } } } } }],
  ])('keep metadata unchanged: %s', async (_what, metadata) => {
    const { id } = await make({ metadata });
    expect((await get(id)).metadata).toEqual(metadata);
    expect(((await patch(id, { metadata }).expect(200)).body as Session).metadata).toEqual(metadata);
  });

  describe('refuse bad input with a pointer, and nothing is stored', () => {
    const nested = (levels: number): unknown => JSON.parse('{"a":'.repeat(levels) + '1' + '}'.repeat(levels));
    const bad: [string, Record<string, unknown>, string][] = [
      ['an empty title', { title: '' }, '/title'],
      ['a title of 201 characters', { title: 'x'.repeat(201) }, '/title'],
      ['a title that PostgreSQL counts longer', { title: '\u2764\ufe0f'.repeat(200) }, '/title'],
      ['a title with a NUL', { title: 'a\0b' }, '/title'],
      ['metadata over 16 KiB', { metadata: { a: 'x'.repeat(16 * 1024) } }, '/metadata'],
      ['metadata of nine levels', { metadata: nested(9) }, '/metadata'],
      ['metadata with a NUL in a text', { metadata: { a: ['\0'] } }, '/metadata'],
      ['metadata with a NUL in a name', { metadata: { 'a\0': 1 } }, '/metadata'],
      ['metadata with half a surrogate pair', { metadata: { a: '\ud800' } }, '/metadata'],
      ['metadata that are an array', { metadata: [] }, '/metadata'],
      ['metadata that are a text', { metadata: 'x' }, '/metadata'],
      ['metadata that are null', { metadata: null }, '/metadata'],
      ['a user', { user_id: newId() }, '/user_id'],
      ['an id', { id: newId() }, '/id'],
      ['a time', { last_active_at: '2999-01-01T00:00:00Z' }, '/last_active_at'],
      ['a count of our own', { last_seq: 7 }, '/last_seq'],
    ];

    it.each(bad)('by POST and by PATCH: %s', async (_what, fields, pointer) => {
      const { id } = await make();
      const before = await storedRows();
      for (const answer of [
        await ada.post('/chat/sessions', { project_id: project.id, ...fields }),
        await patch(id, fields),
      ]) {
        expectProblem(answer, 'validation_failed', [pointer]);
      }
      expect(await storedRows()).toEqual(before);
    });

    it.each([
      ['metadata', '/metadata'],
      ['title', '/title'],
      ['x', '/x'],
    ])('by POST: a hundred thousand levels in %s', async (field, pointer) => {
      const deep = '['.repeat(100_000) + ']'.repeat(100_000);
      const answer = await ada
        .post('/chat/sessions')
        .set('content-type', 'application/json')
        .send(`{"project_id":"${project.id}","${field}":${field === 'metadata' ? `{"a":${deep}}` : deep}}`);
      expectProblem(answer, 'validation_failed');
      expect((answer.body as { errors: { pointer: string }[] }).errors).toEqual([
        { pointer, message: expect.any(String) as string },
      ]);
    });

    it.each<[string, Record<string, unknown>, string]>([
      ['a text for archived', { archived: 'true' }, '/archived'],
      ['null for archived', { archived: null }, '/archived'],
      ['a number for pinned', { pinned: 1 }, '/pinned'],
      ['null for pinned', { pinned: null }, '/pinned'],
      ['another project', { project_id: newId() }, '/project_id'],
    ])('by PATCH: %s', async (_what, fields, pointer) => {
      const { id } = await make({ title: 'Kept' });
      await patch(id, { archived: true, pinned: true }).expect(200);
      const before = await storedRows();
      expectProblem(await patch(id, fields), 'validation_failed', [pointer]);
      expect(await storedRows()).toEqual(before);
    });

    it.each([undefined, null, 'x', 7])('by POST: %j as the project', async (project_id) => {
      expectProblem(await ada.post('/chat/sessions', { project_id }), 'validation_failed', ['/project_id']);
    });
  });

  it('are gone after DELETE, with their messages, and no other session', async () => {
    const doomed = await ada.turn({ project_id: project.id });
    const kept = await ada.turn({ project_id: project.id });
    await ada.delete(`/chat/sessions/${doomed.session_id}`).expect(204);
    expectProblem(await ada.get(`/chat/sessions/${doomed.session_id}`), 'not_found');
    expectProblem(await ada.delete(`/chat/sessions/${doomed.session_id}`), 'not_found');
    expectProblem(await ada.get(`/chat/messages/${doomed.assistant_message.id}`), 'not_found');
    expect(await t.database.query('select 1 from messages where session_id = any($1)', [[doomed.session_id]])).toEqual(
      [],
    );
    await ada.get(`/chat/messages/${kept.assistant_message.id}`).expect(200);
  });

  it('can be deleted during a turn, which leaves nothing behind', async () => {
    const gate = t.model.hold('Half');
    const { body } = await ada.post('/chat', { project_id: project.id, message: 'Hi', background: true }).expect(202);
    await gate.reached;
    const { session_id, assistant_message } = body as { session_id: string; assistant_message: MessageBody };
    await ada.delete(`/chat/sessions/${session_id}`).expect(204);
    gate.release();
    expectProblem(await ada.get(`/chat/messages/${assistant_message.id}`), 'not_found');
    expect(await t.database.query('select 1 from turns where session_id = $1', [session_id])).toEqual([]);
  });

  it('have an ETag that If-Match checks and no turn changes', async () => {
    const { id } = await make();
    const path = `/chat/sessions/${id}`;
    const tag = (await ada.get(path)).headers.etag as string;
    await ada.turn({ session_id: id });
    expect((await ada.get(path)).headers.etag).toBe(tag);
    await patch(id, { title: 'New' }).set('if-match', tag).expect(200);
    for (const old of [tag, 'garbage']) {
      expectProblem(await patch(id, { title: 'Newer' }).set('if-match', old), 'precondition_failed');
      expectProblem(await ada.delete(path).set('if-match', old), 'precondition_failed');
    }
    expect(await get(id)).toMatchObject({ title: 'New' });
    await ada.delete(path).set('if-match', '*').expect(204);
  });

  describe('as a list', () => {
    const path = (): string => `/chat/sessions?project_id=${project.id}`;

    it('come by latest activity, and a turn moves its session to the front', async () => {
      const [a, b, c] = [await make(), await make(), await make()];
      expect((await listed()).map(({ id }) => id)).toEqual([c.id, b.id, a.id]);
      await ada.turn({ session_id: a.id });
      const now = await listed();
      expect(now.map(({ id }) => id)).toEqual([a.id, c.id, b.id]);
      expect(now[0]).toEqual(await get(a.id));
      expect(Date.parse(now[0]?.last_active_at as string)).toBeGreaterThan(Date.parse(a.last_active_at));
    });

    it.each([
      ['at different times', `last_active_at - (random() * 1000)::int * interval '1 second'`],
      ['all in one millisecond', `'2026-01-01T00:00:00.123Z'`],
      ['in two milliseconds', `timestamptz '2026-01-01T00:00:00Z' + (random() > 0.5)::int * interval '1 millisecond'`],
      ['at parts of a millisecond', `timestamptz '2026-01-01T00:00:00Z' + random() * interval '2 milliseconds'`],
    ])('come in pages, none twice and none missed, when they were active %s', async (_when, activity) => {
      for (let i = 0; i < 7; i++) await make();
      await t.database.query(`update chat_sessions set last_active_at = ${activity} where project_id = $1`, [
        project.id,
      ]);
      const all = await listed();
      const rank = ({ last_active_at, id }: Session): string => `${last_active_at} ${id}`;
      expect(all.map(rank)).toEqual(all.map(rank).sort().reverse());
      for (const limit of [1, 2, 3, 7, 8]) {
        const pages = await listPages<Session>(ada, path(), limit);
        expect(pages.flat()).toEqual(all);
        expect(pages).toHaveLength(Math.ceil(7 / limit));
      }
    });

    it("can be searched by words of the title in any case, in pages, without other users' sessions", async () => {
      const [, , c] = [await make({ title: 'Porto' }), await make(), await make({ title: 'To LISBON, 100 %' })];
      const a = await make({ title: 'Lisbon by tram' });
      await eve.post('/chat/sessions', { project_id: (await eve.project()).id, title: 'Lisbon' }).expect(201);
      expect((await listed('&q=lisbon')).map(({ id }) => id)).toEqual([a.id, c.id]);
      expect((await listed(`&q=${encodeURIComponent('100 %')}`)).map(({ id }) => id)).toEqual([c.id]);
      expect(await listed('&q=%25')).toHaveLength(1);
      expect(await listed('&q=_')).toEqual([]);
      const path = `/chat/sessions?project_id=${project.id}&limit=1`;
      const { next_cursor } = (await ada.get(`${path}&q=lisbon`).expect(200)).body as ListedPage<Session>;
      const second = await ada.get(`${path}&q=lisbon&cursor=${next_cursor as string}`).expect(200);
      expect((second.body as ListedPage<Session>).data.map(({ id }) => id)).toEqual([c.id]);
      expectProblem(await ada.get(`${path}&q=porto&cursor=${next_cursor as string}`), 'invalid_cursor');
      expectProblem(await ada.get(`${path}&q=`), 'validation_failed', ['?q']);
    });

    it('can be filtered by archived, not archived, or both', async () => {
      const [a, b, c] = [await make(), await make(), await make()];
      await patch(b.id, { archived: true }).expect(200);
      expect((await listed('&archived=true')).map(({ id }) => id)).toEqual([b.id]);
      expect((await listed('&archived=false')).map(({ id }) => id)).toEqual([c.id, a.id]);
      expect(await listed()).toHaveLength(3);
    });

    it('contain one project only', async () => {
      const { id } = await make();
      await ada.session((await ada.project()).id);
      expect((await listed()).map((session) => session.id)).toEqual([id]);
    });

    it('refuse a cursor of another filter, project or user, and a changed one', async () => {
      await make();
      await make();
      const other = await ada.project();
      const hers = await eve.project();
      const { body } = await ada.get(`${path()}&limit=1`).expect(200);
      const cursor = (body as ListedPage<Session>).next_cursor as string;
      await ada.get(`${path()}&cursor=${cursor}`).expect(200);
      for (const answer of [
        await ada.get(`${path()}&archived=false&cursor=${cursor}`),
        await ada.get(`/chat/sessions?project_id=${other.id}&cursor=${cursor}`),
        await eve.get(`/chat/sessions?project_id=${hers.id}&cursor=${cursor}`),
        await ada.get(`${path()}&cursor=${cursor.slice(1)}`),
        await ada.get(`${path()}&cursor=${cursor.slice(0, 20)}${cursor[20] === 'A' ? 'B' : 'A'}${cursor.slice(21)}`),
      ]) {
        expectProblem(answer, 'invalid_cursor');
      }
    });

    it.each([
      ['&archived=1', '?archived'],
      ['&archived=', '?archived'],
      ['&limit=0', '?limit'],
      ['&limit=101', '?limit'],
      ['&limit=x', '?limit'],
      ['&order=asc', '?order'],
    ])('answer 422 for %s', async (query, pointer) => {
      expectProblem(await ada.get(path() + query), 'validation_failed', [pointer]);
    });

    it('answer 422 without a project', async () => {
      expectProblem(await ada.get('/chat/sessions'), 'validation_failed', ['?project_id']);
    });
  });

  describe('are hidden from other users', () => {
    it.each<[string, (user: TestUser, id: string) => Test]>([
      ['GET', (user, id) => user.get(`/chat/sessions/${id}`)],
      ['PATCH', (user, id) => user.patch(`/chat/sessions/${id}`, { title: 'Mine' })],
      ['PATCH with If-Match', (user, id) => user.patch(`/chat/sessions/${id}`, {}).set('if-match', '"7"')],
      ['DELETE', (user, id) => user.delete(`/chat/sessions/${id}`)],
      ['GET messages', (user, id) => user.get(`/chat/sessions/${id}/messages`)],
    ])('%s answers byte for byte as for an unknown id, and changes nothing', async (_verb, ask) => {
      const { session_id } = await ada.turn({ project_id: project.id });
      const before = await storedRows();
      const answers: Response[] = [];
      for (const id of [session_id, newId(), 'malformed']) answers.push(await ask(eve, id));
      for (const answer of answers) {
        expectProblem(answer, 'not_found');
        expect(bareAnswer(answer)).toEqual(bareAnswer(answers[0] as Response));
      }
      expect(await storedRows()).toEqual(before);
    });
  });
});

describe('messages', () => {
  const messagesOf = (id: string, query = ''): Test => ada.get(`/chat/sessions/${id}/messages${query}`);

  it('come oldest or newest first, in pages, none twice and none missed', async () => {
    const { session_id } = await ada.turn({ project_id: project.id, message: 'Turn 0' });
    for (let i = 1; i < 4; i++) await ada.turn({ session_id, message: `Turn ${i}` });
    const oldestFirst = [0, 1, 2, 3].flatMap((i) => [`Turn ${i}`, `You said: Turn ${i}`]);
    for (const [order, expected] of [
      ['', oldestFirst],
      ['?order=asc', oldestFirst],
      ['?order=desc', [...oldestFirst].reverse()],
    ] as const) {
      for (const limit of [1, 3, 8, 9]) {
        const pages = await listPages<MessageBody>(ada, `/chat/sessions/${session_id}/messages${order}`, limit);
        expect(pages.flat().map(({ content }) => content)).toEqual(expected);
        expect(pages).toHaveLength(Math.ceil(8 / limit));
      }
    }
  });

  it('that are added between two pages appear on later pages only', async () => {
    const { session_id } = await ada.turn({ project_id: project.id, message: 'One' });
    const first = (await messagesOf(session_id, '?limit=1')).body as ListedPage<MessageBody>;
    const newest = (await messagesOf(session_id, '?limit=1&order=desc')).body as ListedPage<MessageBody>;
    await ada.turn({ session_id, message: 'Two' });
    const after = (await messagesOf(session_id, `?cursor=${first.next_cursor}`)).body as ListedPage<MessageBody>;
    expect(after.data.map(({ content }) => content)).toEqual(['You said: One', 'Two', 'You said: Two']);
    const before = (await messagesOf(session_id, `?order=desc&cursor=${newest.next_cursor}`)).body as typeof after;
    expect(before.data.map(({ content }) => content)).toEqual(['One']);
  });

  it('are read one by one as in the list', async () => {
    const { session_id, user_message, assistant_message } = await ada.turn({ project_id: project.id });
    const { data } = (await messagesOf(session_id)).body as ListedPage<MessageBody>;
    const messages = [user_message, assistant_message];
    expect(data).toEqual(messages.map((message) => ({ ...message, sibling_ids: [message.id] })));
    for (const message of messages) {
      expect((await ada.get(`/chat/messages/${message.id}`).expect(200)).body).toEqual(message);
    }
  });

  it('refuse the cursor of the other direction, of another session and of another user', async () => {
    const { session_id } = await ada.turn({ project_id: project.id });
    const other = await ada.turn({ project_id: project.id });
    const { next_cursor } = (await messagesOf(session_id, '?limit=1')).body as ListedPage<MessageBody>;
    await messagesOf(session_id, `?cursor=${next_cursor}`).expect(200);
    expectProblem(await messagesOf(session_id, `?order=desc&cursor=${next_cursor}`), 'invalid_cursor');
    expectProblem(await messagesOf(other.session_id, `?cursor=${next_cursor}`), 'invalid_cursor');
    const hers = await eve.turn({ project_id: (await eve.project()).id });
    expectProblem(await eve.get(`/chat/sessions/${hers.session_id}/messages?cursor=${next_cursor}`), 'invalid_cursor');
  });

  it.each([
    ['?order=up', '?order'],
    ['?limit=0', '?limit'],
    ['?limit=101', '?limit'],
    ['?limit=x', '?limit'],
    ['?before=x', '?before'],
  ])('answer 422 for %s', async (query, pointer) => {
    const { id } = await make();
    expectProblem(await messagesOf(id, query), 'validation_failed', [pointer]);
  });

  describe('accept feedback', () => {
    let answer: MessageBody;
    let question: MessageBody;
    const rate = (id: string, body: Record<string, unknown>): Test => ada.put(`/chat/messages/${id}/feedback`, body);

    beforeEach(async () => {
      ({ assistant_message: answer, user_message: question } = await ada.turn({ project_id: project.id }));
    });

    it('with or without a comment; the last one counts, and removing it twice is fine', async () => {
      for (const [given, shown] of [
        [
          { rating: 'up', comment: 'Good' },
          { rating: 'up', comment: 'Good' },
        ],
        [{ rating: 'down' }, { rating: 'down', comment: null }],
        [
          { rating: 'up', comment: null },
          { rating: 'up', comment: null },
        ],
      ] as const) {
        expect((await rate(answer.id, given).expect(200)).body).toEqual({ ...answer, feedback: shown });
        expect((await ada.get(`/chat/messages/${answer.id}`)).body).toMatchObject({ feedback: shown });
      }
      for (let i = 0; i < 2; i++) await ada.delete(`/chat/messages/${answer.id}/feedback`).expect(204);
      expect((await ada.get(`/chat/messages/${answer.id}`)).body).toEqual(answer);
    });

    it('on answers only', async () => {
      expectProblem(await rate(question.id, { rating: 'up' }), 'validation_failed', ['/rating']);
      expect((await ada.get(`/chat/messages/${question.id}`)).body).toEqual(question);
    });

    it.each<[string, Record<string, unknown>, string]>([
      ['another rating', { rating: 'sideways' }, '/rating'],
      ['no rating', {}, '/rating'],
      ['an empty comment', { rating: 'up', comment: '' }, '/comment'],
      ['a comment of 5001 characters', { rating: 'up', comment: 'x'.repeat(5001) }, '/comment'],
      ['a comment with a NUL', { rating: 'up', comment: 'a\0' }, '/comment'],
      ['another content', { rating: 'up', content: 'x' }, '/content'],
    ])('but not %s', async (_what, body, pointer) => {
      expectProblem(await rate(answer.id, body), 'validation_failed', [pointer]);
      expect((await ada.get(`/chat/messages/${answer.id}`)).body).toEqual(answer);
    });
  });

  it.each<[string, (user: TestUser, id: string) => Test]>([
    ['GET', (user, id) => user.get(`/chat/messages/${id}`)],
    ['GET events', (user, id) => user.get(`/chat/messages/${id}/events`)],
    ['POST stop', (user, id) => user.post(`/chat/messages/${id}/stop`)],
    ['POST regenerate', (user, id) => user.post(`/chat/messages/${id}/regenerate`, {})],
    ['PUT feedback', (user, id) => user.put(`/chat/messages/${id}/feedback`, { rating: 'down' })],
    ['DELETE feedback', (user, id) => user.delete(`/chat/messages/${id}/feedback`)],
  ])('%s of another user answers as for an unknown id, and changes nothing', async (_verb, ask) => {
    const { assistant_message, user_message } = await ada.turn({ project_id: project.id });
    await ada.put(`/chat/messages/${assistant_message.id}/feedback`, { rating: 'up' }).expect(200);
    const before = await storedRows();
    const answers: Response[] = [];
    for (const id of [newId(), assistant_message.id, user_message.id, 'malformed']) answers.push(await ask(eve, id));
    for (const answer of answers) {
      expectProblem(answer, 'not_found');
      expect(bareAnswer(answer)).toEqual(bareAnswer(answers[0] as Response));
    }
    expect(await storedRows()).toEqual(before);
  });
});
