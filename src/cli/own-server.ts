import type { AddressInfo } from 'node:net';
import type { AppConfig } from '../app-config.js';
import { openDatabase } from '../platform/database/open-database.js';

export interface OwnServer {
  readonly url: string;
  /** Closes the server, then releases its database. */
  stop(): Promise<void>;
}

/** Starts a temporary server in this process: reachable from this machine only, on any free port, without a log and without a grace period. */
export async function startOwnServer(config: AppConfig): Promise<OwnServer> {
  Object.assign(config, {
    host: '127.0.0.1',
    port: 0,
    tlsCertFile: undefined,
    tlsKeyFile: undefined,
    logLevel: 'silent',
    shutdownGraceMs: 0,
  } satisfies Partial<AppConfig>);
  const database = await openDatabase(config, config.migrateOnStart, console.error);
  try {
    const { createApp } = await import('../app.factory.js');
    const app = await createApp(config);
    try {
      await app.listen(config.port, config.host);
    } catch (error) {
      await app.close();
      throw error;
    }
    const { port } = app.getHttpServer().address() as AddressInfo;
    const stop = async (): Promise<void> => {
      await app.close().finally(() => database.close());
    };
    return { url: `http://${config.host}:${port}`, stop };
  } catch (error) {
    await database.close();
    throw error;
  }
}
