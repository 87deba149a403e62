import { fileURLToPath } from 'node:url';
import { ProductDatabase } from './platform/database/product-database.js';

/** The folder with Parley's migrations, and the roles that they create. */
export const PRODUCT_DATABASE = new ProductDatabase({
  // Beside src/ in the repository, and beside dist/src/ in a build.
  migrations: fileURLToPath(new URL('../migrations', import.meta.url)),
  appRole: 'parley_app',
  systemRole: 'parley_system',
});
