import type { AddressInfo } from 'node:net';
import type { AppConfig } from '../app-config.js';
import { openDatabase } from '../platform/database/open-database.js';

export interface OwnServer {
  readonly url: string;
  /** Closes the server, then gives back its database. */
  stop(): Promise<void>;
}

/** A server in this process for a short play: this machine only, any free port, no log, no wait at the end. */
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
