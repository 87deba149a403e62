import { randomBytes } from 'node:crypto';
import { chownSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { DatabaseConfig } from '../../src/platform/database/database.config.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { Notifications } from '../../src/platform/database/notifications.js';
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../src/platform/embedded-postgres/embedded-postgres.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { expectSoon } from '../support/expect-soon.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { createTestDatabase, type TestDatabase } from '../support/test-database.js';

async function run<T extends object>(url: string, sql: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<T>(sql)).rows;
  } finally {
    await client.end();
  }
}

const LISTENING = `select pid from pg_stat_activity where application_name = 'parley-listen' and datname = current_database()`;
const connectionsOf = async (url: string): Promise<number> => (await run(url, LISTENING)).length;

const listenAt = (databaseUrl: string): Notifications =>
  new Notifications(Object.assign(new DatabaseConfig(), { databaseUrl }), PRODUCT_DATABASE);

describe('an instance whose database refuses LISTEN', () => {
  let server: EmbeddedPostgres;
  let proxy: TcpProxy;

  /** Turns the server into a standby that waits for a primary: it answers queries, but refuses LISTEN. */
  beforeAll(async () => {
    const dir = join(process.env.PARLEY_TEST_DIR as string, `standby-${randomBytes(4).toString('hex')}`);
    const options = { dir, ephemeral: true, log: () => undefined };
    const primary = await startEmbeddedPostgres(options);
    await migrate(PRODUCT_DATABASE, primary.url);
    await primary.stop();
    const data = join(dir, 'cluster', 'data');
    const signal = join(data, 'standby.signal');
    writeFileSync(signal, '', { mode: 0o600 });
    const { uid, gid } = statSync(data);
    chownSync(signal, uid, gid);
    server = await startEmbeddedPostgres(options);
    proxy = await TcpProxy.start(server.url);
  }, 60_000);
  afterAll(async () => {
    await proxy.cut();
    await server.stop();
  });

  it('uses only one connection, however often it retries, and listens as soon as it may', async () => {
    await expect(run(server.url, 'listen x')).rejects.toMatchObject({ code: '25006' });
    const heard: string[] = [];
    const notifications = listenAt(proxy.url);
    try {
      await notifications.listen('news', (payload) => heard.push(payload));
      await expectSoon(() => expect(proxy.accepted).toBeGreaterThanOrEqual(4));
      expect(await connectionsOf(server.url)).toBeLessThanOrEqual(1);
      expect(notifications.isListening).toBe(false);

      await run(server.url, 'select pg_promote()');
      await expectSoon(() => expect(notifications.isListening).toBe(true));
      await run(server.url, `notify news, 'hello'`);
      await expectSoon(() => expect(heard).toEqual(['hello']));
      expect(await connectionsOf(server.url)).toBe(1);
    } finally {
      await notifications.onApplicationShutdown();
    }
    await expectSoon(async () => expect(await connectionsOf(server.url)).toBe(0));
  });
});

describe('an instance that listens', () => {
  let database: TestDatabase;
  let notifications: Notifications;

  beforeEach(async () => {
    database = await createTestDatabase();
    notifications = listenAt(database.url);
  });
  afterEach(async () => {
    await notifications.onApplicationShutdown();
    await database.drop();
  });

  it('uses one connection, even for a channel that is requested while the connection is lost', async () => {
    const heard: string[] = [];
    await notifications.listen('first', () => undefined);
    await database.query(LISTENING.replace('select pid', 'select pg_terminate_backend(pid)'));
    await expectSoon(() => expect(notifications.isListening).toBe(false));
    await notifications.listen('second', (payload) => heard.push(payload));
    // To show that nothing happens, waits for twice the pause before a reconnect.
    await sleep(1000);
    expect(await connectionsOf(database.url)).toBe(1);
    await run(database.url, `notify second, 'once'`);
    await expectSoon(() => expect(heard).toEqual(['once']));
  });

  it('receives messages of a channel that was requested on a connection that had just been lost', async () => {
    const proxy = await TcpProxy.start(database.url);
    const distant = listenAt(proxy.url);
    const heard: string[] = [];
    try {
      await distant.listen('first', () => undefined);
      proxy.drop();
      await distant.listen('second', (payload) => heard.push(payload));
      await expectSoon(() => expect(distant.isListening).toBe(true));
      await run(database.url, `notify second, 'hello'`);
      await expectSoon(() => expect(heard).toEqual(['hello']));
      expect(await connectionsOf(database.url)).toBe(1);
    } finally {
      await distant.onApplicationShutdown();
      await proxy.cut();
    }
  });
});
