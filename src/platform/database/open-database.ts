import { join } from 'node:path';
import type { ServerConfig } from '../config/server.config.js';
import { checkDatabase } from './check-database.js';
import { startEmbeddedPostgres } from '../embedded-postgres/embedded-postgres.js';
import type { DatabaseConfig } from './database.config.js';

/** A database that answers; `close` gives it back. */
export interface OpenDatabase {
  /** The port of the embedded server; undefined for a database of one's own. */
  readonly embeddedPort?: number;
  close(): Promise<void>;
}

/**
 * Makes `config.databaseUrl` name a database that answers: the configured one, or the embedded one, which other processes
 * may be using too. Throws one line that names the variable to look at.
 * @param willMigrate whether migrations come next: they make the application's login when it is missing, so only the
 * owner can be asked before
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
