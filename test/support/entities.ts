import { getMetadataArgsStorage } from 'typeorm';
// What it loads has all entities of the application.
import '../../src/app.module.js';

/** Every entity of the application, for a test that makes a data source of its own. */
export const ENTITIES = getMetadataArgsStorage().tables.flatMap(({ target }) =>
  typeof target === 'string' ? [] : [target as new () => unknown],
);
