import { join } from 'node:path';
import type { ServerConfig } from '../config/server.config.js';
import { checkDatabase } from './check-database.js';
import { startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres.js';
import type { DatabaseConfig } from './database.config.js';

/** A database that is running; `close` releases it. */
export interface OpenDatabase {
  /** The port of the embedded server; undefined for a configured database. */
  readonly embeddedPort?: number;
  close(): Promise<void>;
}

/**
 * Makes `config.databaseUrl` the address of a running database: the configured one, or the embedded one, which other
 * processes may be using too. Throws one line that names the variable to check.
 * @param willMigrate whether migrations follow: they create the application's login if it is missing, so only the owner's
 * login can be checked before
 */
export async function openDatabase(
  config: Pick<ServerConfig, 'dataDir'> & DatabaseConfig,
  willMigrate: boolean,
  log: (line: string) => void,
): Promise<OpenDatabase> {
  if (config.databaseUrl === undefined) {
    const postgres = await startEmbeddedPostgres({ dir: join(config.dataDir, 'postgres'), log });
    config.databaseUrl = postgres.url;
    return { embeddedPort: postgres.port, close: () => postgres.stop() };
  }
  const asOwner = willMigrate && config.databaseOwnerUrl !== undefined;
  await checkDatabase(
    asOwner ? 'DATABASE_OWNER_URL' : 'DATABASE_URL',
    asOwner ? (config.databaseOwnerUrl as string) : config.databaseUrl,
    config.databaseConnectTimeoutMs,
  );
  return { close: () => Promise.resolve() };
}
