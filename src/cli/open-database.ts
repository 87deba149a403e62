import { join } from 'node:path';
import type { AppConfig } from '../platform/config/app-config.js';
import { checkDatabase } from '../platform/database/check-database.js';
import { startEmbeddedPostgres } from '../platform/database/embedded-postgres.js';

/**
 * Makes `config.databaseUrl` name a database that answers: the configured one, or the embedded one, which other processes
 * may be using too. Resolves with what gives it back. Throws one line that names the variable to look at.
 */
export async function openDatabase(config: AppConfig): Promise<() => Promise<void>> {
  if (config.databaseUrl !== undefined) {
    // With an owner's address the login of the other one may not exist yet: migrating makes it.
    const [name, url] =
      config.databaseOwnerUrl === undefined
        ? (['DATABASE_URL', config.databaseUrl] as const)
        : (['DATABASE_OWNER_URL', config.databaseOwnerUrl] as const);
    await checkDatabase(name, url, config.databaseConnectTimeoutMs);
    return () => Promise.resolve();
  }
  const log = (line: string): void => console.error(line);
  const postgres = await startEmbeddedPostgres({ dir: join(config.dataDir, 'postgres'), log });
  config.databaseUrl = postgres.url;
  return () => postgres.stop();
}
