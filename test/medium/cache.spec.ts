import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { newId } from '../../src/kernel/ids.js';
import { Cache } from '../../src/platform/cache/cache.js';
import type { Owner } from '../../src/platform/cache/owner.js';
import { Notifications } from '../../src/platform/database/notifications.js';
import { UnitOfWork } from '../../src/platform/database/unit-of-work.js';
import { expectSoon } from '../support/expect-soon.js';
import { describeWithRedis, RedisServer } from '../support/redis-server.js';
import { eventually } from '../support/server-process.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

/** Longer than a Redis that hangs may hold anybody up (100 ms), and much shorter than anybody would wait for it. */
const BOUND_MS = 2000;

/** Something that can be loaded, and counts how often it was. */
class Source {
  loads = 0;
  value = 'first';

  load = async (): Promise<{ value: string }> => {
    this.loads += 1;
    return { value: this.value };
  };
}

const owner = (): { userId: string } => ({ userId: newId() });

let t: TestApp;
let there: NestFastifyApplication;

async function begin(redisUrl?: string): Promise<void> {
  t = await createTestApp({ redisUrl });
  there = await t.another();
}
const end = (): Promise<void> => t.close();

const ask = async (app: NestFastifyApplication, who: Owner, load: Source['load'], key = 'key'): Promise<string> =>
  (await app.get(Cache).get(who, 'models', key, load)).value;

const change = (who: { userId: string }, source: Source, value: string): Promise<void> =>
  t.app.get(UnitOfWork).run(who, async () => {
    source.value = value;
    await t.app.get(Cache).invalidate(who, 'models', 'key');
  });

/** Nobody hears a notice for the next half second. */
async function deafen(): Promise<void> {
  await t.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parley-listen'
      and datname = current_database()`,
  );
  await expectSoon(() => {
    for (const app of [t.app, there]) expect(app.get(Notifications).isListening).toBe(false);
  });
}

/** A load that has read, and is not over before it is released. */
async function holdLoad(app: NestFastifyApplication, who: Owner, source: Source) {
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  const loaded = ask(app, who, async () => {
    const read = await source.load();
    await released;
    return read;
  });
  await expectSoon(() => expect(source.loads).toBe(1));
  return { release, loaded };
}

function itKeeps(): void {
  it('loads once for twenty who ask at once, and then not at all', async () => {
    const [who, source] = [owner(), new Source()];
    const all = Promise.all(Array.from({ length: 20 }, () => ask(t.app, who, source.load)));
    expect(new Set(await all)).toEqual(new Set(['first']));
    await ask(t.app, who, source.load);
    expect(source.loads).toBe(1);
  });

  it('gives nobody what is another’s, under the same key', async () => {
    const [a, b] = [new Source(), new Source()];
    b.value = 'other';
    const [ada, eve] = [owner(), owner()];
    expect(await ask(t.app, ada, a.load)).toBe('first');
    expect(await ask(t.app, eve, b.load)).toBe('other');
    expect(await ask(t.app, 'server', b.load)).toBe('other');
    expect(await ask(t.app, ada, b.load)).toBe('first');
  });

  it('gives the new after a change: here with its commit, elsewhere as soon as the notice is there', async () => {
    const [who, source] = [owner(), new Source()];
    for (const app of [t.app, there]) expect(await ask(app, who, source.load)).toBe('first');
    await change(who, source, 'second');
    expect(await ask(t.app, who, source.load)).toBe('second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
  });

  it('goes on as before when the change is rolled back', async () => {
    const [who, source] = [owner(), new Source()];
    await ask(t.app, who, source.load);
    const failing = t.app.get(UnitOfWork).run(who, async () => {
      await t.app.get(Cache).invalidate(who, 'models', 'key');
      throw new Error('not really');
    });
    await expect(failing).rejects.toThrow('not really');
    await ask(t.app, who, source.load);
    expect(source.loads).toBe(1);
  });

  it('does not keep what was being loaded while it changed', async () => {
    const [who, source] = [owner(), new Source()];
    const { release, loaded } = await holdLoad(t.app, who, source);
    await change(who, source, 'second');
    release();
    expect(await loaded).toBe('first');
    expect(await ask(t.app, who, source.load)).toBe('second');
    expect(await ask(there, who, source.load)).toBe('second');
  });

  it('is not the old any more when notices come again, though that of the change was lost', async () => {
    const [who, source] = [owner(), new Source()];
    for (const app of [t.app, there]) expect(await ask(app, who, source.load)).toBe('first');
    await deafen();
    await change(who, source, 'second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
  });

  it('does not keep what was being loaded while a notice was lost', async () => {
    const [who, source] = [owner(), new Source()];
    const { release, loaded } = await holdLoad(there, who, source);
    await deafen();
    await change(who, source, 'second');
    await expectSoon(() => expect(there.get(Notifications).isListening).toBe(true));
    release();
    expect(await loaded).toBe('first');
    expect(await ask(there, who, source.load)).toBe('second');
  });

  it('gives all who asked the error of a load that fails, and asks anew then', async () => {
    const [who, source] = [owner(), new Source()];
    const failing = (): Promise<never> => Promise.reject(new Error('away'));
    const all = await Promise.allSettled([1, 2, 3].map(() => ask(t.app, who, failing)));
    for (const { status } of all) expect(status).toBe('rejected');
    expect(await ask(t.app, who, source.load)).toBe('first');
  });
}

describe('What is kept without Redis', () => {
  beforeAll(() => begin());
  afterAll(end);

  itKeeps();
});

describeWithRedis('What is kept with Redis', () => {
  let redis: RedisServer;
  let wire: TcpProxy;

  beforeAll(async () => {
    redis = await RedisServer.start();
    wire = await TcpProxy.start(redis.url);
    await begin(wire.url);
    await sharing(there);
  });
  afterAll(async () => {
    await end();
    await wire.cut();
    await redis.remove();
  });

  /** Until what one instance loads is there for the other one. */
  const sharing = (other: NestFastifyApplication): Promise<void> =>
    eventually(
      async () => {
        const [who, source] = [owner(), new Source()];
        await ask(t.app, who, source.load);
        await ask(other, who, source.load);
        return source.loads === 1;
      },
      () => 'nothing is shared',
    );

  itKeeps();

  it('is loaded once for all instances, and stays no longer there than here', async () => {
    const [who, source] = [owner(), new Source()];
    expect(await ask(t.app, who, source.load)).toBe('first');
    expect(await ask(there, who, source.load)).toBe('first');
    expect(source.loads).toBe(1);
    await redis.ask(async (client) => {
      for (const key of await client.keys('parley:cache:*')) expect(await client.pttl(key)).toBeGreaterThan(0);
    });
  });

  it('is loaded by each instance while Redis answers nothing, soon, and changes all the same', async () => {
    const [who, source] = [owner(), new Source()];
    expect(await ask(t.app, who, source.load)).toBe('first');
    redis.freeze();
    const begun = performance.now();
    await change(who, source, 'second');
    expect(await ask(t.app, who, source.load)).toBe('second');
    expect(performance.now() - begun).toBeLessThan(BOUND_MS);
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
    redis.thaw();
    await sharing(there);
  });

  it('is not the old when Redis is back that could not be told of a change', async () => {
    const [who, source] = [owner(), new Source()];
    for (const app of [t.app, there]) expect(await ask(app, who, source.load)).toBe('first');
    await wire.cut();
    await change(who, source, 'second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
    await wire.restore();
    await sharing(there);
    const late = await t.another();
    await sharing(late);
    expect(await ask(late, who, source.load)).toBe('second');
  });

  it('gets nothing from an instance that can not hear of changes', async () => {
    const [who, source] = [owner(), new Source()];
    const late = await t.another();
    await sharing(late);
    const { release, loaded } = await holdLoad(there, who, source);
    await deafen();
    await change(who, source, 'second');
    release();
    expect(await loaded).toBe('first');
    expect(await ask(late, who, source.load)).toBe('second');
  });

  it('goes on when Redis dies, and is shared again when it is back', async () => {
    const [who, source] = [owner(), new Source()];
    await redis.kill();
    expect(await ask(t.app, who, source.load)).toBe('first');
    await change(who, source, 'second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
    await redis.start();
    await sharing(there);
  });
});
