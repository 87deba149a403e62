import { getMetadataArgsStorage } from 'typeorm';
// Loading this module loads all entities of the application.
import '../../src/app.module.js';

/** Every entity of the application, for a test that creates its own data source. */
export const ENTITIES = getMetadataArgsStorage().tables.flatMap(({ target }) =>
  typeof target === 'string' ? [] : [target as new () => unknown],
);
