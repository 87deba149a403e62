import { fileURLToPath } from 'node:url';
import { ProductDatabase } from './platform/database/product-database.js';

/** Where the schema of Parley comes from, and the roles that its migrations make. */
export const PRODUCT_DATABASE = new ProductDatabase({
  // Beside src/ in the repository, and beside dist/src/ in a build.
  migrations: fileURLToPath(new URL('../migrations', import.meta.url)),
  appRole: 'parley_app',
  systemRole: 'parley_system',
});
