import { randomBytes } from 'node:crypto';
import type { AppConfig } from '../platform/config/app-config.js';
import { loadConfig } from '../platform/config/load-config.js';
import { variableDefinitions } from '../platform/config/variable.decorator.js';
import { MIGRATIONS } from '../platform/database/data-source.js';
import { migrate } from '../platform/database/migrate.js';
import { openDatabase } from '../platform/database/open-database.js';
import type { Environment } from './command.js';

/** Runs what is missing as the owner of the tables, and makes the login of the application when it has one of its own. */
export async function migrateCommand(env: Environment): Promise<void> {
  const config = databaseConfig(env);
  const database = await openDatabase(config, true, console.error);
  try {
    const url = config.databaseUrl as string;
    const ran = await migrate(config.databaseOwnerUrl ?? url, url);
    for (const name of ran) console.log(`Ran ${name}`);
    if (ran.length === 0) console.log(`Nothing to do: the database is at ${MIGRATIONS.at(-1)?.name}`);
  } finally {
    await database.close();
  }
}

/** A job that only migrates gets the addresses of the database and no other secret, so nothing else is asked for here. */
function databaseConfig(env: Environment): AppConfig {
  const needed = variableDefinitions().filter(({ group, name }) => group === 'Database' || name === 'DATA_DIR');
  const unused = randomBytes(48).toString('base64url');
  const config = loadConfig({
    ...Object.fromEntries(needed.map(({ name }) => [name, env[name]])),
    JWT_SECRET: unused,
    PASSWORD_PEPPER: unused,
  });
  if (env.NODE_ENV === 'production' && config.databaseUrl === undefined) {
    throw new Error('DATABASE_URL: production needs a database of its own');
  }
  return config;
}
