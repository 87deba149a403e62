import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { appDataSource } from '../platform/database/data-source.js';
import { openDatabase } from '../platform/database/open-database.js';
import { SystemScope } from '../platform/database/system-scope.js';
import { UnitOfWork } from '../platform/database/unit-of-work.js';
import { PRODUCT_DATABASE } from '../product-database.js';
import type { Environment } from './command.js';
import { databaseConfig } from './database-config.js';

/** In the server, each module lists its own entities; a command has no modules. */
const ENTITIES = join(import.meta.dirname, '..', '**', '*.entity.js');

/** Access to the database for a command, without the web framework. */
export interface Doors {
  readonly unitOfWork: UnitOfWork;
  readonly system: SystemScope;
}

/** Opens the database as the application, runs the command, and closes the database. */
export async function withDatabase(env: Environment, work: (doors: Doors) => Promise<void>): Promise<void> {
  Logger.overrideLogger(['warn', 'error']);
  const config = databaseConfig(env);
  const database = await openDatabase(config, false, console.error);
  try {
    const dataSource = await appDataSource(config, PRODUCT_DATABASE, [ENTITIES]).initialize();
    try {
      await work({ unitOfWork: new UnitOfWork(dataSource), system: new SystemScope(dataSource, PRODUCT_DATABASE) });
    } finally {
      await dataSource.destroy();
    }
  } finally {
    await database.close();
  }
}
