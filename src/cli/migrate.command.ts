import { migrate } from '../platform/database/migrate.js';
import { findMigrations } from '../platform/database/migration-files.js';
import { openDatabase } from '../platform/database/open-database.js';
import { PRODUCT_DATABASE } from '../product-database.js';
import type { Environment } from './command.js';
import { databaseConfig } from './database-config.js';

/** Runs the missing migrations as the owner of the tables, and creates the application's login if it has a separate one. */
export async function migrateCommand(env: Environment): Promise<void> {
  const config = databaseConfig(env);
  const database = await openDatabase(config, true, console.error);
  try {
    const url = config.databaseUrl as string;
    const ran = await migrate(PRODUCT_DATABASE, config.databaseOwnerUrl ?? url, url);
    for (const name of ran) console.log(`Ran ${name}`);
    const newest = findMigrations(PRODUCT_DATABASE.migrations).at(-1)?.name;
    if (ran.length === 0) console.log(`No migration is missing: the database is at ${newest}`);
  } finally {
    await database.close();
  }
}
