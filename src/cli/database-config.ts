import { randomBytes } from 'node:crypto';
import type { AppConfig } from '../app-config.js';
import { loadConfig } from '../app-config.js';
import { variablesOf } from '../platform/config/variable.decorator.js';
import { DatabaseConfig } from '../platform/database/database.config.js';
import type { Environment } from './command.js';

/**
 * The settings of a command that only works on the database. It needs the addresses of the database and no other secret, so
 * the other required settings get random values that nothing uses.
 */
export function databaseConfig(env: Environment): AppConfig {
  const unused = randomBytes(48).toString('base64url');
  const config = loadConfig({
    DATA_DIR: env.DATA_DIR,
    ...Object.fromEntries(variablesOf(DatabaseConfig).map(({ name }) => [name, env[name]])),
    JWT_SECRET: unused,
    PASSWORD_PEPPER: unused,
    MASTER_KEYS: `1:${randomBytes(32).toString('base64')}`,
  });
  if (env.NODE_ENV === 'production' && config.databaseUrl === undefined) {
    throw new Error('DATABASE_URL: is required in production');
  }
  return config;
}
