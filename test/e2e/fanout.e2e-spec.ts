import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { TurnClaims } from '../../src/modules/chat/storage/turn-claims.js';
import { TurnKeeperJob } from '../../src/modules/chat/running/turn-keeper.job.js';
import { TestUser, type TurnBody } from '../support/as-user.js';
import { expectSoon } from '../support/expect-soon.js';
import { itIsFollowedAnywhere, scripted } from '../support/fanout-suite.js';
import { textOf } from '../support/read-events.js';
import { describeWithRedis as withRedis, RedisServer } from '../support/redis-server.js';
import type { ModelAnswer } from '../support/scripted-model.js';
import { eventually, spawnServer } from '../support/server-process.js';
import { createTestApp, type TestApp } from '../support/test-app.js';
import { createTestDatabase } from '../support/test-database.js';
import { type Watched, watchEvents } from '../support/watch-events.js';

const CANNOT_BE_USED = /Redis cannot be used/g;

/** No text is saved, and nobody looks by itself, in the time of a test. */
const NEVER_MS = 60_000;

describe('a turn that is followed on another instance', () => {
  describe('through the database', () => itIsFollowedAnywhere(() => ({})));

  withRedis('over Redis Streams', () => {
    let redis: RedisServer;
    beforeAll(async () => {
      redis = await RedisServer.start();
    });
    afterAll(() => redis.remove());

    itIsFollowedAnywhere(() => ({ redisUrl: redis.url }));
  });

  withRedis('over Redis Streams, ahead of the database', () => {
    let redis: RedisServer;
    let t: TestApp;
    let here: TestUser;
    let there: TestUser;
    let elsewhere: TestUser;
    let second: NestFastifyApplication;
    let project: { id: string };

    beforeAll(async () => {
      redis = await RedisServer.start();
      t = await createTestApp({ turnFlushMs: NEVER_MS, turnSweepMs: NEVER_MS, redisUrl: redis.url });
      second = await t.another();
      here = await TestUser.register(t);
      there = here.at(second.getHttpServer());
      elsewhere = here.at((await t.another()).getHttpServer());
      project = await here.project();
    });
    afterAll(async () => {
      await t.close();
      await redis.remove();
    });

    /** Begins a turn whose model waits for the test, before its first word. */
    const begin = async (
      user = here,
      fields: Record<string, unknown> = {},
    ): Promise<{ id: string; sessionId: string; model: ModelAnswer }> => {
      const asked = scripted(t);
      const request = { project_id: project.id, message: 'Go', background: true, ...fields };
      const { assistant_message, session_id } = (await user.post('/chat', request).expect(202)).body as TurnBody;
      return { id: assistant_message.id, sessionId: session_id, model: await asked };
    };

    const follow = (user: TestUser, id: string, after = ''): Watched =>
      watchEvents(user.get(`/chat/messages/${id}/events${after}`));

    const expectText = (watched: Watched, text: string): Promise<void> =>
      expectSoon(() => expect(watched.text()).toBe(text));

    const expectNothingSaved = async (): Promise<void> =>
      expect(await t.database.query('select 1 from turn_chunks')).toEqual([]);

    it('shows text on other instances before it is saved, and the end of an answer that was never saved', async () => {
      const { id, model } = await begin();
      const early = follow(there, id);
      await expectSoon(() => expect(early.events()).toHaveLength(1));
      model.delta('Grüße 👋');
      await expectText(early, 'Grüße 👋');
      const late = follow(elsewhere, id, '?after=1.6');
      await expectText(late, '👋');
      model.delta(' an alle');
      await expectText(early, 'Grüße 👋 an alle');
      await expectText(late, '👋 an alle');
      await expectNothingSaved();
      model.finish();
      await expectSoon(() => expect(early.events().at(-1)?.event).toBe('turn.completed'));
      expect((await early.whole).map(({ id: event }) => event)).toEqual(['1.0', '1.8', '1.16', '1.end']);
      expect((await late.whole).map(({ id: event }) => event)).toEqual(['1.8', '1.16', '1.end']);
    });

    it('sends a long text completely, in pieces', async () => {
      const { id, model } = await begin();
      const text = 'a👋'.repeat(60_000);
      model.delta(text);
      const watched = follow(there, id);
      await expectSoon(() => expect(watched.text() === text).toBe(true));
      await expectNothingSaved();
      model.finish();
      const events = await watched.whole;
      expect(textOf(events) === text).toBe(true);
      const pieces = events.filter(({ event }) => event === 'message.delta').map(({ data }) => data.text as string);
      expect(pieces.filter((piece) => !piece.isWellFormed())).toEqual([]);
    });

    it('ignores pieces that are duplicate, late, early or malformed', async () => {
      const { id, model } = await begin();
      const watched = follow(there, id);
      model.delta('Hello');
      await expectText(watched, 'Hello');
      const text = (attempt: number, offset: number, words: string): object => ({
        ...{ kind: 'text', messageId: id, attempt, offset, text: words },
      });
      const said = [
        ...[text(1, 0, 'Hello'), text(1, 2, 'llo w'), text(1, 50, 'far ahead'), text(0, 0, 'a lost attempt')],
        ...[{ kind: 'shout', messageId: id }, text(1, -1, 'before'), text(1, 0.5, 'between'), null, 7],
      ];
      const inbox = `parley:inbox:${second.get(TurnClaims).owner}`;
      for (const payload of [JSON.stringify(said), '{', '"end"'])
        await redis.ask((client) => client.xadd(inbox, '*', 'm', payload));
      await expectText(watched, 'Hello w');
      model.delta(' world');
      await expectText(watched, 'Hello world');
      model.finish();
      expect((await watched.whole).map(({ id: event }) => event)).toEqual(['1.0', '1.5', '1.7', '1.11', '1.end']);
    });

    it('merges with the saved text, whichever is ahead', async () => {
      const { id, model } = await begin();
      const watched = follow(there, id);
      const save = (): Promise<void> => t.app.get(TurnKeeperJob).save();
      for (let i = 0; i < 40; i++) {
        model.delta(`${i} `);
        // Saving tells the others to look at once: before the text has come, with it, or after.
        if (i % 3 === 0) await save();
        if (i % 4 === 0) await new Promise((resolve) => setTimeout(resolve, i % 12));
      }
      model.finish();
      const events = await watched.whole;
      expect(textOf(events)).toBe(Array.from({ length: 40 }, (_, i) => `${i} `).join(''));
      expect(events.filter(({ event }) => event?.startsWith('turn.'))).toHaveLength(2);
    });

    it('follows a waiting turn to the instance that runs it', async () => {
      const first = await begin(there);
      const asked = scripted(t);
      const watched = watchEvents(
        here.post('/chat', { session_id: first.sessionId, message: 'Next', on_conflict: 'queue', stream: true }),
      );
      await expectSoon(() => expect(watched.events()).toHaveLength(1));
      first.model.finish();
      const model = await asked;
      model.delta('My turn');
      await expectText(watched, 'My turn');
      await expectNothingSaved();
      model.finish();
      expect((await watched.whole).at(-1)?.event).toBe('turn.completed');
    });

    it('ignores text of a lost attempt once another has begun', async () => {
      const lost = await begin();
      const watched = follow(elsewhere, lost.id);
      lost.model.delta('From the first');
      await expectText(watched, 'From the first');
      const taken = scripted(t);
      await t.database.query('update turns set lease_until = now(), owner = gen_random_uuid() where is_running');
      await second.get(TurnKeeperJob).takeOver();
      const model = await taken;
      // Until a word of the second attempt is out, the first one's are as good: `turn.restarted` voids them all.
      model.delta('From the second');
      await expectText(watched, 'From the firstFrom the second');
      lost.model.delta(', too late');
      model.delta(', to the end');
      await expectText(watched, 'From the firstFrom the second, to the end');
      await expectNothingSaved();
      model.finish();
      const ids = (await watched.whole).map(({ id }) => id);
      expect(ids).toEqual(['1.0', '1.14', '2.0', '2.15', '2.27', '2.end']);
      lost.model.finish();
    });

    it('continues when Redis is back without data', async () => {
      const { id, model } = await begin();
      const watched = follow(there, id);
      model.delta('Before');
      await expectText(watched, 'Before');
      await redis.kill();
      model.delta(', meanwhile');
      const other = await begin();
      const unheard = follow(elsewhere, other.id);
      await expectSoon(() => expect(unheard.events()).toHaveLength(1));
      other.model.delta('Also meanwhile');
      await redis.start();
      await eventually(
        () => watched.text() === 'Before, meanwhile',
        () => watched.text(),
      );
      await expectText(unheard, 'Also meanwhile');
      model.delta(', after');
      await expectText(watched, 'Before, meanwhile, after');
      await expectNothingSaved();
      other.model.finish();
      model.finish();
      await unheard.whole;
      expect((await watched.whole).at(-1)?.event).toBe('turn.completed');
    });

    it('leaves only undelivered text in Redis, and nothing permanent', async () => {
      await redis.ask(async (client) => {
        const keys = await client.keys('*');
        expect(keys.length).toBeGreaterThan(0);
        for (const key of keys) {
          expect(key).toMatch(/^parley:/);
          expect(await client.ttl(key)).toBeGreaterThan(0);
          if (key.startsWith('parley:inbox:')) await expectSoon(async () => expect(await client.xlen(key)).toBe(0));
        }
      });
    });
  });

  withRedis('while Redis is lost', () => {
    it.each([
      ['dies', (redis: RedisServer) => redis.kill()],
      ['stops answering', async (redis: RedisServer) => redis.freeze()],
    ])('gets everything exactly once when Redis %s in the middle', async (_how, lose) => {
      const redis = await RedisServer.start();
      const t = await createTestApp({ turnFlushMs: NEVER_MS, redisUrl: redis.url });
      const here = await TestUser.register(t);
      const there = here.at((await t.another()).getHttpServer());
      const asked = scripted(t);
      const project = await here.project();
      const request = { project_id: project.id, message: 'Go', background: true };
      const { id } = ((await here.post('/chat', request).expect(202)).body as TurnBody).assistant_message;
      const model = await asked;
      model.delta('A beginning');
      const watched = watchEvents(there.get(`/chat/messages/${id}/events`));
      const saveAndExpect = (text: string): Promise<void> =>
        expectSoon(async () => {
          await t.app.get(TurnKeeperJob).save();
          expect(watched.text()).toBe(text);
        });
      await expectSoon(() => expect(watched.text()).toBe('A beginning'));
      await lose(redis);
      // What is saved first begins before the place that was reached, and ends after it.
      model.delta(', a middle');
      await saveAndExpect('A beginning, a middle');
      model.delta(', another');
      await saveAndExpect('A beginning, a middle, another');
      model.finish();
      const events = await watched.whole;
      expect(events.at(-1)?.event).toBe('turn.completed');
      // Others as well, from the beginning to the end.
      await there.turn({ project_id: project.id });
      await t.close();
      await redis.remove();
    });

    it('starts and works without Redis, warns once, and uses it when it comes', async () => {
      const redis = await RedisServer.prepare();
      const database = await createTestDatabase();
      const server = spawnServer({
        DATA_DIR: mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'no-redis-')),
        DATABASE_URL: database.url,
        REDIS_URL: redis.url,
        LLM_PROVIDER: 'offline',
        OFFLINE_DELAY_MS: '0',
      });
      try {
        await server.ready();
        const user = await TestUser.register({ server: server.url as unknown as TestApp['server'] });
        const project = await user.project();
        await user.turn({ project_id: project.id });
        await eventually(
          () => CANNOT_BE_USED.test(server.output()),
          () => server.output(),
        );
        await redis.start();
        await eventually(
          () => server.output().includes('Redis can be used again'),
          () => server.output(),
        );
        expect(server.output().match(CANNOT_BE_USED)).toHaveLength(1);
        await user.turn({ project_id: project.id });
        expect(await server.stop()).toBe(0);
      } finally {
        await server.stop('SIGKILL');
        await database.drop();
        await redis.remove();
      }
    });
  });
});
