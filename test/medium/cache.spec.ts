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

/** Longer than a hanging Redis may delay a request (100 ms), and much shorter than its own timeouts. */
const BOUND_MS = 2000;

/** A value that counts how often it was loaded. */
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

/** Suspends notices for half a second. */
async function deafen(): Promise<void> {
  await t.database.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'parley-listen'
      and datname = current_database()`,
  );
  await expectSoon(() => {
    for (const app of [t.app, there]) expect(app.get(Notifications).isListening).toBe(false);
  });
}

/** A load that has read its value, but ends only when it is released. */
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
  it('loads once for twenty concurrent requests, and not again afterwards', async () => {
    const [who, source] = [owner(), new Source()];
    const all = Promise.all(Array.from({ length: 20 }, () => ask(t.app, who, source.load)));
    expect(new Set(await all)).toEqual(new Set(['first']));
    await ask(t.app, who, source.load);
    expect(source.loads).toBe(1);
  });

  it('keeps the values of different owners under the same key apart', async () => {
    const [a, b] = [new Source(), new Source()];
    b.value = 'other';
    const [ada, eve] = [owner(), owner()];
    expect(await ask(t.app, ada, a.load)).toBe('first');
    expect(await ask(t.app, eve, b.load)).toBe('other');
    expect(await ask(t.app, 'server', b.load)).toBe('other');
    expect(await ask(t.app, ada, b.load)).toBe('first');
  });

  it('returns the new value after a change: here at the commit, elsewhere when the notice arrives', async () => {
    const [who, source] = [owner(), new Source()];
    for (const app of [t.app, there]) expect(await ask(app, who, source.load)).toBe('first');
    await change(who, source, 'second');
    expect(await ask(t.app, who, source.load)).toBe('second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
  });

  it('keeps the cached value when the change is rolled back', async () => {
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

  it('does not cache a value that changed while it was being loaded', async () => {
    const [who, source] = [owner(), new Source()];
    const { release, loaded } = await holdLoad(t.app, who, source);
    await change(who, source, 'second');
    release();
    expect(await loaded).toBe('first');
    expect(await ask(t.app, who, source.load)).toBe('second');
    expect(await ask(there, who, source.load)).toBe('second');
  });

  it('is cleared when notices arrive again, because the notice of a change may be lost', async () => {
    const [who, source] = [owner(), new Source()];
    for (const app of [t.app, there]) expect(await ask(app, who, source.load)).toBe('first');
    await deafen();
    await change(who, source, 'second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
  });

  it('does not cache a value that was being loaded while a notice was lost', async () => {
    const [who, source] = [owner(), new Source()];
    const { release, loaded } = await holdLoad(there, who, source);
    await deafen();
    await change(who, source, 'second');
    await expectSoon(() => expect(there.get(Notifications).isListening).toBe(true));
    release();
    expect(await loaded).toBe('first');
    expect(await ask(there, who, source.load)).toBe('second');
  });

  it('passes the error of a failed load to all callers, and loads again next time', async () => {
    const [who, source] = [owner(), new Source()];
    const failing = (): Promise<never> => Promise.reject(new Error('away'));
    const all = await Promise.allSettled([1, 2, 3].map(() => ask(t.app, who, failing)));
    for (const { status } of all) expect(status).toBe('rejected');
    expect(await ask(t.app, who, source.load)).toBe('first');
  });
}

describe('the cache without Redis', () => {
  beforeAll(() => begin());
  afterAll(end);

  itKeeps();
});

describeWithRedis('the cache with Redis', () => {
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

  /** Waits until the second instance finds a value that the first one loaded. */
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

  it('loads once for all instances, and keeps values in Redis no longer than in memory', async () => {
    const [who, source] = [owner(), new Source()];
    expect(await ask(t.app, who, source.load)).toBe('first');
    expect(await ask(there, who, source.load)).toBe('first');
    expect(source.loads).toBe(1);
    await redis.ask(async (client) => {
      for (const key of await client.keys('parley:cache:*')) expect(await client.pttl(key)).toBeGreaterThan(0);
    });
  });

  it('loads on each instance without long delay while Redis hangs, and still applies changes', async () => {
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

  it('returns no outdated value when Redis is back after it missed a change', async () => {
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

  it('stores nothing in Redis from an instance that receives no notices', async () => {
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

  it('continues when Redis dies, and shares values again when it is back', async () => {
    const [who, source] = [owner(), new Source()];
    await redis.kill();
    expect(await ask(t.app, who, source.load)).toBe('first');
    await change(who, source, 'second');
    await expectSoon(async () => expect(await ask(there, who, source.load)).toBe('second'));
    await redis.start();
    await sharing(there);
  });
});
