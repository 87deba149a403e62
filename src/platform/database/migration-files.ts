import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MigrationInterface } from 'typeorm';

/** A migration that is not loaded yet: its name in the table of migrations, and its file. */
export interface MigrationFile {
  readonly name: string;
  readonly path: string;
}

export type Migration = new () => MigrationInterface;

/** The table that records the migrations that have run. */
export const MIGRATIONS_TABLE = 'schema_migrations';

const FILE = /^(\d{13})-([a-z0-9-]+)\.[jt]s$/;

/** All migrations of a folder, oldest first. `1763950000000-turn-crashes.ts` has the name `TurnCrashes1763950000000`. */
export function findMigrations(folder: string): MigrationFile[] {
  return readdirSync(folder)
    .sort()
    .flatMap((file) => {
      const [, timestamp, words] = FILE.exec(file) ?? [];
      if (timestamp === undefined || words === undefined) return [];
      const title = words.replaceAll(/(?:^|-)(.)/g, (_match, letter: string) => letter.toUpperCase());
      return { name: title + timestamp, path: join(folder, file) };
    });
}

/** Loads the classes of migrations. Throws when a file has no class with the name of its migration. */
export function loadMigrations(files: readonly MigrationFile[]): Promise<Migration[]> {
  return Promise.all(
    files.map(async ({ name, path }) => {
      const { [name]: migration } = (await import(pathToFileURL(path).href)) as Record<string, Migration | undefined>;
      if (migration === undefined) throw new Error(`${path} has no class ${name}`);
      return migration;
    }),
  );
}
