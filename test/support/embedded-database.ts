import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { defaultConfig } from '../../src/app-config.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { openDatabase } from '../../src/platform/database/open-database.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { databaseAt, type TestDatabase } from './test-database.js';

/**
 * The database that `npm start` makes where no address is set, opened and migrated as it does it. The process that uses it
 * holds a connection there with an advisory lock, so a test on it finds whatever that connection gets in the way of.
 */
export async function createEmbeddedDatabase(): Promise<TestDatabase> {
  const dataDir = join(process.env.PARLEY_TEST_DIR as string, `embedded-${randomBytes(4).toString('hex')}`);
  const config = { ...defaultConfig(), databaseUrl: undefined, dataDir };
  const { close } = await openDatabase(config, true, () => undefined);
  const url = config.databaseUrl as string | undefined;
  if (url === undefined) throw new Error('the embedded database has no address');
  await migrate(PRODUCT_DATABASE, url);
  return { ...databaseAt(url), drop: close };
}
