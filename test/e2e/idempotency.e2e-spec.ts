import { newId } from '../../src/kernel/ids.js';
import { type MessageBody, TestUser, type TurnBody } from '../support/as-user.js';
import { expectProblem } from '../support/expect-problem.js';
import { expectSoon } from '../support/expect-soon.js';
import { readEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

describe('Idempotency-Key', () => {
  let t: TestApp;
  let ada: TestUser;
  let eve: TestUser;
  let project: { id: string };

  beforeAll(async () => {
    t = await createTestApp({ turnFlushMs: 30 });
    [ada, eve] = [await TestUser.register(t), await TestUser.register(t)];
    project = await ada.project();
  });
  afterAll(() => t.close());

  const count = async (table: string): Promise<number> => (await t.database.query(`select 1 from ${table}`)).length;

  describe('on a write', () => {
    it('does the write once and gives the same answer again', async () => {
      const before = await count('projects');
      const send = () => ada.post('/projects', { name: 'Once' }).set('idempotency-key', 'create-1');
      const [first, again] = [await send().expect(201), await send().expect(201)];
      expect(again.body).toEqual(first.body);
      expect([first.headers['idempotent-replayed'], again.headers['idempotent-replayed']]).toEqual([undefined, 'true']);
      expect(again.headers.etag).toBe(first.headers.etag);
      expect(await count('projects')).toBe(before + 1);
    });

    it('refuses another body under the same key', async () => {
      await ada.post('/projects', { name: 'A' }).set('idempotency-key', 'body').expect(201);
      expectProblem(
        await ada.post('/projects', { name: 'B' }).set('idempotency-key', 'body'),
        'idempotency_key_reused',
      );
    });

    it('belongs to its user and its route', async () => {
      await ada.post('/projects', { name: 'A' }).set('idempotency-key', 'shared').expect(201);
      const other = await eve.post('/projects', { name: 'Other' }).set('idempotency-key', 'shared').expect(201);
      expect(other.headers['idempotent-replayed']).toBeUndefined();
      await ada.patch(`/projects/${project.id}`, { description: 'x' }).set('idempotency-key', 'shared').expect(200);
    });

    it('covers changes and deletions; a repeated deletion is not a 404', async () => {
      const { id } = await ada.project();
      const change = () => ada.patch(`/projects/${id}`, { name: 'New' }).set('idempotency-key', 'change');
      const tags = [(await change().expect(200)).headers.etag, (await change().expect(200)).headers.etag];
      expect(tags).toEqual(['"2"', '"2"']);
      const remove = () => ada.delete(`/projects/${id}`).set('idempotency-key', 'remove');
      await remove().expect(204);
      await remove().expect(204);
      await ada.delete(`/projects/${id}`).expect(404);
    });

    it('stores no key when the request was refused', async () => {
      expectProblem(await ada.post('/projects', { name: '' }).set('idempotency-key', 'refused'), 'validation_failed', [
        '/name',
      ]);
      await ada.post('/projects', { name: 'Right' }).set('idempotency-key', 'refused').expect(201);
    });

    it('runs one of twenty concurrent requests; the others get its answer or must wait', async () => {
      const before = await count('projects');
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => ada.post('/projects', { name: 'Race' }).set('idempotency-key', 'race')),
      );
      const made = answers.filter(({ status }) => status === 201);
      expect(new Set(made.map(({ body }) => (body as { id: string }).id)).size).toBe(1);
      for (const answer of answers.filter(({ status }) => status !== 201))
        expectProblem(answer, 'idempotency_key_in_use');
      expect(await count('projects')).toBe(before + 1);
    });

    it('is deleted with the account', async () => {
      const gone = await TestUser.register(t);
      await gone.erase().set('idempotency-key', 'bye').expect(204);
      expect(await t.database.query('select 1 from idempotency_keys where user_id = $1', [gone.id])).toEqual([]);
      expect(await t.database.query('select 1 from users where id = $1', [gone.id])).toEqual([]);
    });

    it.each(['', ' ', 'a b', 'ü', 'x'.repeat(256)])('refuses the malformed key %j', async (key) => {
      const response = await ada
        .post('/projects', { name: 'x' })
        .set('idempotency-key', Buffer.from(key).toString('latin1'));
      expectProblem(response, 'validation_failed', ['Idempotency-Key']);
    });

    it('refuses a malformed key also on routes that do not use it', async () => {
      const malformed = { 'idempotency-key': 'x'.repeat(256) };
      for (const asked of [
        ada.post(`/chat/messages/${newId()}/stop`),
        ada.post('/auth/second-factor/confirm', { code: '123456' }),
        ada.erase(),
      ]) {
        expectProblem(await asked.set(malformed), 'validation_failed', ['Idempotency-Key']);
      }
    });
  });

  describe('on a turn', () => {
    const send = (key: string, fields: Record<string, unknown> = {}) =>
      ada.post('/chat', { project_id: project.id, message: 'Hello', ...fields }).set('idempotency-key', key);

    it('calls the model once and gives the same answer again', async () => {
      const asked = t.model.requests.length;
      const [first, again] = [await send('turn-1').expect(200), await send('turn-1').expect(200)];
      expect(again.body).toEqual(first.body);
      expect(again.headers['idempotent-replayed']).toBe('true');
      expect(t.model.requests.length).toBe(asked + 1);
    });

    it('attaches twenty concurrent repeats to the running turn', async () => {
      const asked = t.model.requests.length;
      const gate = t.model.hold('Slow', ' answer');
      const plain = Array.from({ length: 20 }, () => send('turn-20').then((response) => response));
      await gate.reached;
      const streamed = readEvents(send('turn-20', {}).set('accept', 'text/event-stream'));
      await expectSoon(async () => expect(await t.database.query('select 1 from turn_chunks')).not.toEqual([]));
      gate.release();
      const bodies = (await Promise.all(plain)).map(({ body }) => body as TurnBody);
      expect(new Set(bodies.map(({ assistant_message }) => assistant_message.id)).size).toBe(1);
      expect(new Set(bodies.map(({ assistant_message }) => assistant_message.content))).toEqual(
        new Set(['Slow answer']),
      );
      expect(textOf(await streamed)).toBe('Slow answer');
      expect(t.model.requests.length).toBe(asked + 1);
    });

    it('attaches on another instance', async () => {
      const other = await t.another();
      const gate = t.model.hold('Here', ' and there');
      const here = send('turn-there').then((response) => response);
      await gate.reached;
      const there = ada
        .at(other.getHttpServer())
        .post('/chat', { project_id: project.id, message: 'Hello' })
        .set('idempotency-key', 'turn-there')
        .then((r) => r);
      gate.release();
      expect((await there).body).toEqual((await here).body);
    });

    it('repeats the failure of a turn that failed', async () => {
      t.model.next((_request, answer) => answer.refuse(500));
      expectProblem(await send('turn-failed'), 'provider_error');
      expectProblem(await send('turn-failed'), 'provider_error');
    });

    it('refuses another message under the same key', async () => {
      await send('turn-body').expect(200);
      expectProblem(await send('turn-body', { message: 'Another' }), 'idempotency_key_reused');
    });

    it('creates one sibling by regenerate', async () => {
      const { assistant_message } = (await send('turn-regenerate').expect(200)).body as TurnBody;
      const again = () =>
        ada.post(`/chat/messages/${assistant_message.id}/regenerate`, {}).set('idempotency-key', 'again');
      const ids = [(await again().expect(200)).body, (await again().expect(200)).body].map(
        (body) => (body as { assistant_message: MessageBody }).assistant_message.id,
      );
      expect(ids[0]).toBe(ids[1]);
      expect(ids[0]).not.toBe(assistant_message.id);
    });

    it('stores the key only with the turn, so a refused send can be repeated', async () => {
      const gate = t.model.hold();
      const { session_id } = (await send('turn-first', { background: true }).expect(202)).body as TurnBody;
      await gate.reached;
      expectProblem(await send('turn-second', { session_id }), 'turn_in_progress');
      gate.release();
      await expectSoon(async () => expect(await t.database.query('select 1 from turns')).toEqual([]));
      await send('turn-second', { session_id }).expect(200);
    });
  });
});
