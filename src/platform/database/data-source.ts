import { DataSource, type DataSourceOptions, type MixedList } from 'typeorm';
import type { DatabaseConfig } from './database.config.js';
import { type Migration, MIGRATIONS_TABLE } from './migration-files.js';
import type { ProductDatabase } from './product-database.js';

/** Classes, or patterns of the files that have them. */
type Entities = MixedList<string | (new () => unknown)>;

const shared = {
  type: 'postgres',
  synchronize: false,
  installExtensions: false,
  logging: false,
} as const satisfies Partial<DataSourceOptions>;

/** The application's pool: every connection starts as the application's role, whoever logs in, so no query ever runs as an owner. */
export function appDataSourceOptions(
  config: DatabaseConfig,
  { appRole }: ProductDatabase,
  onIdleError: (error: Error) => void,
) {
  return {
    ...shared,
    url: config.databaseUrl,
    poolSize: config.databasePoolSize,
    connectTimeoutMS: config.databaseConnectTimeoutMs,
    applicationName: 'parley',
    poolErrorHandler: onIdleError,
    extra: {
      pipeline: true,
      keepAlive: true,
      options: `-c role=${appRole} -c jit=off`,
      statement_timeout: config.databaseStatementTimeoutMs,
      idle_in_transaction_session_timeout: config.databaseStatementTimeoutMs,
      // Client-side net under the server's own timeout: a dead connection must not hold its caller for ever.
      query_timeout: config.databaseStatementTimeoutMs + 1000,
      idleTimeoutMillis: 30_000,
      maxLifetimeSeconds: 1800,
    },
  } satisfies DataSourceOptions;
}

/** The same pool without Nest, for commands. */
export function appDataSource(config: DatabaseConfig, product: ProductDatabase, entities: Entities): DataSource {
  return new DataSource({ ...appDataSourceOptions(config, product, () => undefined), entities });
}

/** A waiting ALTER TABLE makes everybody wait who comes after it: for no longer than this, then it gives way. */
const MIGRATION_LOCK_TIMEOUT_MS = 1000;
/** A statement that takes longer will not end by itself. */
const MIGRATION_STATEMENT_TIMEOUT_MS = 1_800_000;

/** Connections as the owner of the tables, for migrations only. */
export function ownerDataSource(url: string, migrations: Migration[], entities: Entities = []): DataSource {
  return new DataSource({
    ...shared,
    url,
    entities,
    migrations,
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    poolSize: 2,
    connectTimeoutMS: 5000,
    applicationName: 'parley-migrate',
    extra: { lock_timeout: MIGRATION_LOCK_TIMEOUT_MS, statement_timeout: MIGRATION_STATEMENT_TIMEOUT_MS },
  });
}
