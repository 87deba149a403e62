import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeSchema } from '../platform/database/describe-schema.js';
import { migrate } from '../platform/database/migrate.js';
import { startEmbeddedPostgres } from '../platform/embedded-postgres/embedded-postgres.js';
import { PRODUCT_DATABASE } from '../product-database.js';

const HEAD = `-- The schema of the database, as all migrations make it. For reading: \`npm run schema\` writes this file from a
-- migrated database, and a test fails when it is out of date. To change the schema, add a migration.
`;

/** Returns the text of docs/schema.sql for a migrated database. */
export async function schemaFile(url: string): Promise<string> {
  return `${HEAD}\n${await describeSchema(url)}`;
}

/** Writes the schema to a file. It migrates a temporary embedded PostgreSQL for this and deletes it afterwards. */
export async function schemaCommand(file: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'parley-schema-'));
  try {
    const server = await startEmbeddedPostgres({ dir, ephemeral: true, log: console.error });
    try {
      await migrate(PRODUCT_DATABASE, server.url);
      writeFileSync(file, await schemaFile(server.url));
    } finally {
      await server.stop();
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  console.log(`Wrote ${file}`);
}
