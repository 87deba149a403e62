import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Logger } from 'typeorm';
import { ownerDataSource } from '../../src/platform/database/data-source.js';
import { findMigrations, loadMigrations } from '../../src/platform/database/migration-files.js';
import { PRODUCT_DATABASE } from '../../src/product-database.js';
import { createTestDatabase } from '../support/test-database.js';

const SQUAWK = fileURLToPath(new URL('../../node_modules/squawk-cli/js/bin/squawk', import.meta.url));

/** Rules of squawk that do not hold here, and why. */
const OFF: Record<string, string> = {
  'prefer-bigint-over-int':
    'our integers count within a session, a turn or an answer; what grows without end is bigint',
};

/** What squawk objects to and stays as it is, and why. */
const SMALL = 'was released before squawk was asked, when the table was small everywhere';
const ACCEPTED: Record<string, string> = {
  'TurnCrashes1763950000000: ban-drop-not-null': SMALL,
  'TurnCrashes1763950000000: constraint-missing-not-valid': SMALL,
  'ApiKeys1764000100000: require-concurrent-index-creation': SMALL,
  'Admin1764100100000: constraint-missing-not-valid': SMALL,
  'Admin1764100100000: require-concurrent-index-creation': SMALL,
  'TurnLimits1764700000000: constraint-missing-not-valid':
    'looks once through users and projects, which are small tables',
  'ProjectFallbacks1764900000000: constraint-missing-not-valid':
    'looks once through projects, of which a user has a few',
  'ContextFacts1765100000000: constraint-missing-not-valid': 'looks once through projects, of which a user has a few',
  'Retention1764800000000: constraint-missing-not-valid': 'looks once through projects, of which a user has a few',
  'Retention1764800000000: require-concurrent-index-creation': 'the index has no row when it is made',
};

const dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'migrations-'));

/** Runs all migrations on an empty database and writes down what each sent, as the session that sent it was set. */
async function record(): Promise<string[]> {
  const database = await createTestDatabase(null);
  const migrations = findMigrations(PRODUCT_DATABASE.migrations);
  const dataSource = ownerDataSource(database.url, await loadMigrations(migrations));
  const sent: string[][] = [];
  const log: Pick<Logger, 'logQuery'> = {
    logQuery: (query) => {
      if (query === 'START TRANSACTION') sent.push([]);
      else if (query !== 'COMMIT' && !/"?schema_migrations"?\(/.test(query)) sent.at(-1)?.push(query.trim());
    },
  };
  const silent = (): void => undefined;
  const others = {
    logQueryError: silent,
    logQuerySlow: silent,
    logSchemaBuild: silent,
    logMigration: silent,
    log: silent,
  };
  dataSource.setOptions({ logging: ['query'], logger: { ...log, ...others } });
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
    const [session] = await dataSource.query<{ lock: string; statement: string }[]>(
      `select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement`,
    );
    const settings = Object.entries({ lock_timeout: session?.lock, statement_timeout: session?.statement })
      .filter(([, value]) => value !== '0')
      .map(([name, value]) => `set ${name} = '${value}'`);
    return migrations.map(({ name }, i) => {
      const file = join(dir, `${name}.sql`);
      writeFileSync(file, [...settings, 'begin', ...(sent[i] as string[]), 'commit', ''].join(';\n'));
      return file;
    });
  } finally {
    await dataSource.destroy();
    await database.drop();
  }
}

/** What squawk objects to, as `migration: rule`, each once. */
async function objections(files: readonly string[]): Promise<string[]> {
  const given = ['--reporter', 'json', '--pg-version', '15.0', '--exclude', Object.keys(OFF).join(','), ...files];
  // Objections are its exit code 1; it writes them all the same.
  const { stdout } = await promisify(execFile)(process.execPath, [SQUAWK, ...given]).catch(
    (failure: { stdout: string }) => failure,
  );
  const found = JSON.parse(stdout) as { file: string; rule_name: string }[];
  return [...new Set(found.map(({ file, rule_name }) => `${basename(file, '.sql')}: ${rule_name}`))].sort();
}

describe('the SQL of the migrations, as it is sent', () => {
  it('locks no table for long and does not break the running version, according to squawk', async () => {
    expect(await objections(await record())).toEqual(Object.keys(ACCEPTED).sort());
  });

  it('would be rejected if it did', async () => {
    const file = join(dir, 'Bad.sql');
    writeFileSync(file, 'alter table users rename column email to mail; create index ix on users (mail);');
    expect(await objections([file])).toEqual(
      expect.arrayContaining([
        'Bad: renaming-column',
        'Bad: require-lock-timeout',
        'Bad: require-concurrent-index-creation',
      ]),
    );
  });
});
