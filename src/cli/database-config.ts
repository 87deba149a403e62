import { randomBytes } from 'node:crypto';
import type { AppConfig } from '../platform/config/app-config.js';
import { loadConfig } from '../platform/config/load-config.js';
import { variableDefinitions } from '../platform/config/variable.decorator.js';
import type { Environment } from './command.js';

/**
 * The settings of a command that only works on the database. It needs the addresses of the database and no other secret, so
 * the other required settings get random values that nothing uses.
 */
export function databaseConfig(env: Environment): AppConfig {
  const needed = variableDefinitions().filter(({ group, name }) => group === 'Database' || name === 'DATA_DIR');
  const unused = randomBytes(48).toString('base64url');
  const config = loadConfig({
    ...Object.fromEntries(needed.map(({ name }) => [name, env[name]])),
    JWT_SECRET: unused,
    PASSWORD_PEPPER: unused,
    MASTER_KEYS: `1:${randomBytes(32).toString('base64')}`,
  });
  if (env.NODE_ENV === 'production' && config.databaseUrl === undefined) {
    throw new Error('DATABASE_URL: is required in production');
  }
  return config;
}
