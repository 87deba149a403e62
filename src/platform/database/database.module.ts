import { type DynamicModule, Global, Logger, Module, type OnApplicationShutdown } from '@nestjs/common';
import { DataSource, type MixedList } from 'typeorm';
import { DatabaseConfig } from './database.config.js';
import { Metrics } from '../observability/metrics.js';
import { appDataSource } from './data-source.js';
import { migrate } from './migrate.js';
import { Notifications } from './notifications.js';
import { pgPool } from './pg-pool.js';
import { Pipeline } from './pipeline.js';
import { SchemaVersion } from './schema-version.js';
import { SystemScope } from './system-scope.js';
import { TenantSnapshots } from './tenant-snapshot.js';
import { UnitOfWork } from './unit-of-work.js';

/** Migrates when config says so, connects as the application role, and gives out the four doors to the database. */
@Global()
@Module({})
export class DatabaseModule implements OnApplicationShutdown {
  constructor(
    private readonly dataSource: DataSource,
    metrics: Metrics,
  ) {
    const pool = pgPool(dataSource);
    metrics.gauge('parley_database_connections_used', 'Connections that are in use, of DATABASE_POOL_SIZE.', () => {
      return pool.totalCount - pool.idleCount;
    });
    metrics.gauge('parley_database_waiting', 'Requests that wait for a connection.', () => pool.waitingCount);
  }

  static with(entities: MixedList<new () => unknown>): DynamicModule {
    const log = new Logger('Database');
    const connect = async (config: DatabaseConfig): Promise<DataSource> => {
      if (config.databaseUrl === undefined) throw new Error('no database: DATABASE_URL is not set');
      if (config.migrateOnStart) {
        const ran = await migrate(config.databaseOwnerUrl ?? config.databaseUrl, config.databaseUrl);
        if (ran.length > 0) log.log(`Migrated: ${ran.join(', ')}`);
      }
      const onIdleError = (error: Error): void => log.warn(`An idle connection was lost: ${error.message}`);
      return appDataSource(config, entities, onIdleError).initialize();
    };
    return {
      module: DatabaseModule,
      providers: [
        { provide: DataSource, useFactory: connect, inject: [DatabaseConfig] },
        Pipeline,
        UnitOfWork,
        SystemScope,
        TenantSnapshots,
        Notifications,
        SchemaVersion,
      ],
      exports: [Pipeline, UnitOfWork, SystemScope, TenantSnapshots, Notifications, SchemaVersion],
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await this.dataSource.destroy();
  }
}
