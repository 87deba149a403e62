import { jest } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import type { PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { newId } from '../../src/kernel/ids.js';
import { TURN_FANOUT, type TurnFanout } from '../../src/modules/chat/following/turn-fanout.js';
import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { DataKeyRotation } from '../../src/platform/crypto/data-key-rotation.js';
import { pgPool } from '../../src/platform/database/pg-pool.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { dump, readTables } from '../support/catalogue.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { itIsFollowedAnywhere } from '../support/fanout-suite.js';
import { sentStatements } from '../support/sent-statements.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** In all that is said, and so in what is answered. */
const CANARY = 'canary-5e1f';
const ENCRYPTED = { encrypt_content: true };

describe('a turn of an encrypted project', () => {
  itIsFollowedAnywhere(() => ({}), ENCRYPTED);
});

describe('content encryption', () => {
  let t: TestApp;
  let ada: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({
      ...{ turnLeaseMs: 600_000, turnSweepMs: 600_000, turnFlushMs: 60_000 },
      // Nor does anything else happen by itself while statements are counted.
      revocationPollMs: 600_000,
    });
  });
  beforeEach(async () => {
    ada = await TestUser.register(t);
    project = await ada.project(ENCRYPTED);
  });
  afterEach(() => t.model.always(null));
  afterAll(() => t.close());

  /** The tables in which a word is found, in any form that a column may have. */
  const tablesWith = async (word: string): Promise<string[]> => {
    const forms = [word, Buffer.from(word).toString('hex'), Buffer.from(word).toString('base64').slice(0, -4)];
    const tables = Object.entries(await dump(t.database, await readTables(t.database)));
    return tables
      .filter(([, rows]) => rows.some((row) => forms.some((form) => row.includes(form))))
      .map(([name]) => name);
  };
  const messages = async (sessionId: string, user = ada): Promise<MessageBody[]> =>
    ((await user.get(`/chat/sessions/${sessionId}/messages?view=all`).expect(200)).body as { data: MessageBody[] })
      .data;

  /** Says something in every way there is. */
  const sayAll = async (projectId: string): Promise<TurnBody> => {
    const turn = await ada.turn({ project_id: projectId, message: `First ${CANARY}` });
    const { session_id, assistant_message } = turn;
    const parts = [
      { type: 'text', text: `Look ${CANARY}` },
      { type: 'image_url', image_url: { url: `https://example.com/${CANARY}.png` } },
    ];
    await ada.turn({ session_id, message: parts });
    await ada.turn({ session_id, message: `Instead ${CANARY}`, parent_id: assistant_message.id });
    await ada.post(`/chat/messages/${assistant_message.id}/regenerate`, {}).expect(200);
    await ada
      .put(`/chat/messages/${assistant_message.id}/feedback`, { rating: 'up', comment: `Well said ${CANARY}` })
      .set('idempotency-key', `feedback ${newId()}`.replace(' ', '-'))
      .expect(200);
    return turn;
  };

  it('is chosen when a project is created, and a later change is refused with a pointer and the reason', async () => {
    expect((await ada.get(`/projects/${project.id}`)).body).toMatchObject(ENCRYPTED);
    await ada.patch(`/projects/${project.id}`, { name: 'New', encrypt_content: true }).expect(200);
    const plain = await ada.project();
    for (const [{ id }, encrypt_content] of [
      [project, false],
      [plain, true],
    ] as const) {
      const response = await ada.patch(`/projects/${id}`, { name: 'Not this', encrypt_content });
      expectProblem(response, 'validation_failed', ['/encrypt_content']);
      expect(response.text).toContain('is decided when a project is made');
      expect((await ada.get(`/projects/${id}`)).body).toMatchObject({ encrypt_content: !encrypt_content });
    }
  });

  it('leaves no plain text of a conversation in any table, during and after a turn, and shows all of it to its user', async () => {
    const turn = await sayAll(project.id);
    const gate = t.model.hold(`So far ${CANARY}`);
    const { body } = await ada.post('/chat', { session_id: turn.session_id, message: CANARY, background: true });
    await gate.reached;
    await expectSoon(async () => {
      await t.app.get(TurnKeeperJob).save();
      expect(await t.database.query('select 1 from turn_chunks where sealed is not null')).not.toEqual([]);
    });
    expect(await tablesWith(CANARY)).toEqual([]);
    gate.release();
    await expectSoon(async () =>
      expect((await ada.get(`/chat/messages/${(body as TurnBody).assistant_message.id}`)).body).toMatchObject({
        status: 'completed',
        content: `So far ${CANARY}`,
      }),
    );
    expect(await tablesWith(CANARY)).toEqual([]);
    const all = await messages(turn.session_id);
    expect(all).toHaveLength(9);
    for (const { content } of all) expect(JSON.stringify(content)).toMatch(/canary-5e1f|said: parts/);
    expect(all.find(({ feedback }) => feedback !== null)?.feedback).toEqual({
      rating: 'up',
      comment: `Well said ${CANARY}`,
    });
    // The same in a plain project is found: the look is one that sees.
    await sayAll((await ada.project()).id);
    expect(await tablesWith(CANARY)).toEqual(expect.arrayContaining(['chat_sessions', 'messages']));
    await ada.erase().expect(204);
  });

  it('sends the decrypted history of the branch to the model', async () => {
    const { session_id } = await ada.turn({ project_id: project.id, message: 'One' });
    const parts = [
      { type: 'text', text: 'Two' },
      { type: 'image_url', image_url: { url: 'https://example.com/cat.png' } },
    ];
    const second = await ada.turn({ session_id, message: parts });
    await ada.turn({ session_id, message: 'Three' });
    const said = [
      { role: 'user', content: 'One' },
      { role: 'assistant', content: 'You said: One' },
      { role: 'user', content: parts },
      { role: 'assistant', content: 'You said: parts' },
    ];
    expect(t.model.requests.at(-1)?.messages).toEqual([...said, { role: 'user', content: 'Three' }]);
    await ada.turn({ session_id, message: 'Else', parent_id: second.assistant_message.id });
    expect(t.model.requests.at(-1)?.messages).toEqual([...said, { role: 'user', content: 'Else' }]);
    await ada.post(`/chat/messages/${second.assistant_message.id}/regenerate`, {}).expect(200);
    expect(t.model.requests.at(-1)?.messages).toEqual(said.slice(0, 3));
  });

  it('generates no session title; only the user can set one', async () => {
    const named = ada.at((await t.another({ titleModel: 'namer' })).getHttpServer());
    const { session_id } = await named.turn({ project_id: project.id, message: 'Words' });
    const title = async (): Promise<unknown> =>
      ((await ada.get(`/chat/sessions/${session_id}`)).body as { title: unknown }).title;
    expect(await title()).toBeNull();
    await ada.patch(`/chat/sessions/${session_id}`, { title: 'Given' }).expect(200);
    await named.turn({ session_id, message: 'More words' });
    expect(await title()).toBe('Given');
    // A plain one is named, so who names has looked at this one too by now.
    await named.turn({ project_id: (await ada.project()).id, message: 'A plain one' });
    const asked = (): string[] =>
      t.model.requests.filter(({ model }) => model === 'namer').map((r) => JSON.stringify(r));
    await expectSoon(() => expect(asked()).toHaveLength(1));
    expect(asked()[0]).toContain('A plain one');
  });

  it('encrypts the comment about an answer that has no text', async () => {
    t.model.next((_request, answer) => answer.refuse(503));
    await ada.post('/chat', { project_id: project.id, message: 'Hi' }).expect(503);
    const [failed] = await t.database.query<{ id: string }>(
      `select id from messages where user_id = $1 and role = 'assistant'`,
      [ada.id],
    );
    const path = `/chat/messages/${failed?.id}/feedback`;
    const rated = await ada.put(path, { rating: 'down', comment: CANARY }).expect(200);
    expect(rated.body).toMatchObject({ feedback: { rating: 'down', comment: CANARY } });
    expect(await tablesWith(CANARY)).toEqual([]);
    await ada.delete(path).expect(204);
    expect((await ada.get(`/chat/messages/${failed?.id}`)).body).toMatchObject({ feedback: null });
  });

  it('gives the same response to a repeated request without storing its content', async () => {
    const send = (): ReturnType<TestUser['post']> =>
      ada.post('/chat', { project_id: project.id, message: CANARY }).set('idempotency-key', 'turn');
    // The first one meets a project that this instance does not know: its key must not be taken by what was refused.
    const [first, second] = [await send().expect(200), await send().expect(200)];
    expect(second.body).toEqual(first.body);
    expect(second.headers['idempotent-replayed']).toBe('true');
    const path = `/chat/messages/${(first.body as TurnBody).assistant_message.id}/feedback`;
    const rate = (comment: string): ReturnType<TestUser['put']> =>
      ada.put(path, { rating: 'up', comment }).set('idempotency-key', 'feedback');
    const [rated, again] = [await rate(CANARY).expect(200), await rate(CANARY).expect(200)];
    expect(again.body).toEqual(rated.body);
    expect(again.headers['idempotent-replayed']).toBe('true');
    expectProblem(await rate('another'), 'idempotency_key_reused');
    expect(await tablesWith(CANARY)).toEqual([]);
  });

  it('sends no content through Redis; followers on other instances read the database', async () => {
    const publish = jest.spyOn(t.app.get<TurnFanout>(TURN_FANOUT), 'publish');
    await ada.turn({ project_id: project.id });
    expect(publish).not.toHaveBeenCalled();
    // All text that Redis ever gets goes this way.
    await ada.turn({ project_id: (await ada.project()).id });
    expect(publish).toHaveBeenCalledTimes(1);
    publish.mockRestore();
  });

  it('is erased with the key: after the project is deleted, nothing in a copy of the other tables can be decrypted', async () => {
    const { session_id } = await ada.turn({ project_id: project.id, message: CANARY });
    await t.database.query(`create schema copy;
      create table copy.projects as table projects; create table copy.chat_sessions as table chat_sessions;
      create table copy.messages as table messages`);
    await ada.delete(`/projects/${project.id}`).expect(204);
    expect(await t.database.query('select 1 from content_keys where project_id = $1', [project.id])).toEqual([]);
    await t.database.query(`insert into projects select * from copy.projects where id = '${project.id}';
      insert into chat_sessions select * from copy.chat_sessions where id = '${session_id}';
      insert into messages select * from copy.messages where session_id = '${session_id}';
      drop schema copy cascade`);
    // An instance that has never seen the key.
    const fresh = ada.at((await t.another()).getHttpServer());
    expectProblem(await fresh.get(`/chat/sessions/${session_id}/messages`), 'internal_error');
    expectProblem(await fresh.post('/chat', { session_id, message: 'And now?' }), 'internal_error');
    const { text } = await fresh.get('/users/me/export').buffer(true).expect(200);
    expect(text).not.toContain(CANARY);
    expect(text).toContain(session_id);
  });

  it('decrypts a ciphertext at its own row only', async () => {
    const turn = await ada.turn({ project_id: project.id, message: 'Mine' });
    const other = await ada.turn({ project_id: project.id, message: 'Another' });
    await t.database.query(`update messages m set sealed = o.sealed from messages o where m.id = $1 and o.id = $2`, [
      turn.user_message.id,
      other.user_message.id,
    ]);
    expectProblem(await ada.get(`/chat/messages/${turn.user_message.id}`), 'internal_error');
    expect((await ada.get(`/chat/messages/${other.user_message.id}`)).body).toMatchObject({ content: 'Another' });
  });

  it('exports everything decrypted', async () => {
    await sayAll(project.id);
    const gate = t.model.hold('Being written');
    await ada.post('/chat', { project_id: project.id, message: 'Go', background: true }).expect(202);
    await gate.reached;
    await expectSoon(async () => {
      await t.app.get(TurnKeeperJob).save();
      expect(await t.database.query('select 1 from turn_chunks where user_id = $1', [ada.id])).toHaveLength(1);
    });
    const { text } = await ada.get('/users/me/export').buffer(true).expect(200);
    gate.release();
    const rows = text
      .trimEnd()
      .split('\n')
      .slice(1, -1)
      .map((row) => JSON.parse(row) as { table: string; row: Record<string, unknown> });
    const said = rows.filter(({ table }) => table === 'messages').map(({ row }) => row);
    const contents = said.map(({ content }) => content);
    for (const content of [`First ${CANARY}`, `You said: First ${CANARY}`, `Look ${CANARY}`, `Instead ${CANARY}`]) {
      expect(contents).toContain(content);
    }
    expect(said.map(({ feedback_comment }) => feedback_comment)).toContain(`Well said ${CANARY}`);
    expect(JSON.stringify(said.map(({ parts }) => parts))).toContain(`${CANARY}.png`);
    expect(rows.filter(({ table }) => table === 'turn_chunks').map(({ row }) => row.text)).toEqual(['Being written']);
    expect(text).not.toMatch(/"sealed/);
  });

  it('hides everything from another user, who gets the same answer as for an unknown project', async () => {
    const { session_id } = await ada.turn({ project_id: project.id, message: 'Mine' });
    const eve = await TestUser.register(t);
    for (const body of [{ project_id: project.id }, { session_id }, { project_id: newId() }, { session_id: newId() }]) {
      expectProblem(await eve.post('/chat', { ...body, message: 'Hi' }), 'not_found');
    }
  });

  it('works with an API key of the project', async () => {
    const { key } = await ada.apiKey({ project_id: project.id });
    const bound = ada.by(key).at((await t.another()).getHttpServer());
    const { session_id } = await bound.turn({ project_id: project.id, message: 'Bound' });
    expect((await messages(session_id, bound)).map(({ content }) => content)).toEqual(['Bound', 'You said: Bound']);
  });

  it('fails no turn while the master key is rotated on instances that have both versions', async () => {
    const [old, next] = [t.config.masterKeys as string, `2:${randomBytes(32).toString('base64')}`];
    const rotating = await t.another({ masterKeys: `${next},${old}` });
    const here = ada.at((await t.another({ masterKeys: `${old},${next}` })).getHttpServer());
    const { session_id } = await ada.turn({ project_id: project.id, message: 'Before' });
    const projects = await Promise.all(Array.from({ length: 10 }, () => ada.project(ENCRYPTED)));
    const turns = projects.flatMap(({ id }) =>
      [here, ada.at(rotating.getHttpServer())].map((at) => at.post('/chat', { project_id: id, message: 'Meanwhile' })),
    );
    const [result, ...answers] = await Promise.all([rotating.get(DataKeyRotation).run(), ...turns]);
    expect(result).toMatchObject({ failed: 0 });
    expect(result.wrapped).toBeGreaterThanOrEqual(11);
    expect(answers.map(({ status }) => status)).toEqual(turns.map(() => 200));
    const alone = ada.at((await t.another({ masterKeys: next })).getHttpServer());
    await alone.turn({ session_id, message: 'After' });
    expect((await messages(session_id, alone)).map(({ content }) => content)).toContain('You said: Before');
    const { body } = await ada.get('/users/me/audit-events').expect(200);
    expect(JSON.stringify(body)).toContain('project.content_key_rotated');
  });

  describe('the cost of content encryption', () => {
    /** The statements that an instance sends, without what begins and ends transactions, and how many transactions. */
    const counted = async (
      app: TestApp['app'],
      work: () => Promise<unknown>,
    ): Promise<{ statements: number; commits: number; refused: number }> => {
      const sent: string[] = [];
      const watched = new Map<PoolClient, PoolClient['query']>();
      const pool = pgPool(app.get(DataSource));
      const watch = (client: PoolClient): void => {
        if (watched.has(client)) return;
        watched.set(client, client.query);
        const query = client.query.bind(client) as (...args: unknown[]) => unknown;
        client.query = ((...args: unknown[]) => {
          sent.push(...sentStatements(args[0]));
          return query(...args);
        }) as PoolClient['query'];
      };
      pool.on('acquire', watch);
      await work();
      pool.off('acquire', watch);
      for (const [client, query] of watched) client.query = query;
      return {
        statements: sent.filter((text) => !/^(begin|commit)/.test(text)).length,
        commits: sent.filter((text) => text === 'commit').length,
        refused: sent.filter((text) => text.includes('content_keys')).length,
      };
    };

    it('adds no statement and no round trip once an instance knows the project', async () => {
      const plain = await ada.project();
      const sessions = await Promise.all([plain, project].map(({ id }) => ada.turn({ project_id: id })));
      const [ofPlain, ofSealed] = [plain, project].map(({ id }) => ({ project_id: id }));
      const work = (place: object) => () => ada.turn({ ...place, message: 'Hi' });
      const usual = await counted(t.app, work(ofPlain as object));
      expect(usual.commits).toBe(2);
      expect(await counted(t.app, work(ofSealed as object))).toEqual(usual);
      const again = await counted(t.app, work({ session_id: sessions[0]?.session_id }));
      expect(again.commits).toBe(2);
      expect(await counted(t.app, work({ session_id: sessions[1]?.session_id }))).toEqual(again);
    });

    it('adds nothing to a plain project, and two round trips to the first turn of an encrypted project on an instance', async () => {
      const other = await t.another();
      const there = ada.at(other.getHttpServer());
      const plain = await ada.project();
      const { session_id } = await ada.turn({ project_id: project.id });
      await there.get('/users/me').expect(200);
      const work = (place: object) => () => there.turn({ ...place, message: 'Hi' });
      expect((await counted(other, work({ project_id: plain.id }))).commits).toBe(2);
      // Refused, then the key, then as it should be.
      expect((await counted(other, work({ session_id }))).commits).toBe(4);
      expect((await counted(other, work({ session_id }))).commits).toBe(2);
      expect((await counted(other, work({ project_id: project.id }))).commits).toBe(3);
    });
  });
});
