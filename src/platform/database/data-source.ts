import { DataSource, type DataSourceOptions, type MixedList } from 'typeorm';
import type { DatabaseConfig } from './database.config.js';
import { type Migration, MIGRATIONS_TABLE } from './migration-files.js';
import type { ProductDatabase } from './product-database.js';

/** Entity classes, or patterns of the files that contain them. */
type Entities = MixedList<string | (new () => unknown)>;

const shared = {
  type: 'postgres',
  synchronize: false,
  installExtensions: false,
  logging: false,
} as const satisfies Partial<DataSourceOptions>;

/** The application's pool. Every connection starts as the application's role, whatever its login, so no query runs as the owner. */
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
      // Catches what the server's own timeout cannot: a dead connection must not block its caller for ever.
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

/** An ALTER TABLE that waits for a lock blocks every later query on the table, so it gives up after this time. */
const MIGRATION_LOCK_TIMEOUT_MS = 1000;
/** A migration statement that takes longer is assumed to hang. */
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
