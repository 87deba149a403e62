import { type DynamicModule, Global, Logger, Module } from '@nestjs/common';
import { TypeOrmModule, type TypeOrmModuleOptions } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { DatabaseConfig } from './database.config.js';
import { Metrics } from '../observability/metrics.js';
import { appDataSourceOptions } from './data-source.js';
import { migrate } from './migrate.js';
import { Notifications } from './notifications.js';
import { pgPool } from './pg-pool.js';
import { Pipeline } from './pipeline.js';
import { ProductDatabase } from './product-database.js';
import { SchemaVersion } from './schema-version.js';
import { SystemScope } from './system-scope.js';
import { TenantSnapshots } from './tenant-snapshot.js';
import { UnitOfWork } from './unit-of-work.js';

const DOORS = [Pipeline, UnitOfWork, SystemScope, TenantSnapshots, Notifications, SchemaVersion];

/** Migrates if configured to, connects as the application role, and provides access to the database. */
@Global()
@Module({})
export class DatabaseModule {
  constructor(dataSource: DataSource, metrics: Metrics) {
    const pool = pgPool(dataSource);
    metrics.gauge('parley_database_connections_used', 'Connections that are in use, of DATABASE_POOL_SIZE.', () => {
      return pool.totalCount - pool.idleCount;
    });
    metrics.gauge('parley_database_waiting', 'Requests that wait for a connection.', () => pool.waitingCount);
  }

  /** The entities are those that modules register with `TypeOrmModule.forFeature`. */
  static with(product: ProductDatabase): DynamicModule {
    const useFactory = (config: DatabaseConfig): Promise<TypeOrmModuleOptions> => prepare(config, product);
    return {
      module: DatabaseModule,
      imports: [TypeOrmModule.forRootAsync({ useFactory, inject: [DatabaseConfig] })],
      providers: [{ provide: ProductDatabase, useValue: product }, ...DOORS],
      exports: DOORS,
    };
  }
}

async function prepare(config: DatabaseConfig, product: ProductDatabase): Promise<TypeOrmModuleOptions> {
  const log = new Logger('Database');
  if (config.databaseUrl === undefined) throw new Error('no database: DATABASE_URL is not set');
  if (config.migrateOnStart) {
    const ran = await migrate(product, config.databaseOwnerUrl ?? config.databaseUrl, config.databaseUrl);
    if (ran.length > 0) log.log(`Migrated: ${ran.join(', ')}`);
  }
  const onIdleError = (error: Error): void => log.warn(`An idle connection was lost: ${error.message}`);
  return {
    ...appDataSourceOptions(config, product, onIdleError),
    autoLoadEntities: true,
    // A start without a database ends with one line that says why; the supervisor of the process starts it again.
    toRetry: () => false,
  };
}
