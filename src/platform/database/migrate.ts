import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import { APP_ROLE, MIGRATIONS, MIGRATIONS_TABLE, ownerDataSource, SYSTEM_ROLE } from './data-source.js';
import { isLockTimeout } from './pg-errors.js';

// A fixed number that no other advisory lock has: it has to be the same in every instance.
const LOCK_ID = 7_220_193_411;
/** How often a migration asks for a table that others hold, and how long those have in between. */
const LOCK_TRIES = 120;
const LOCK_PAUSE_MS = 1000;

/**
 * Brings the schema to the newest migration and returns the names of those it ran.
 *
 * Instances that start together take turns by an advisory lock: one migrates, the others wait and find nothing to do.
 * A migration that does not get its lock within a second gives way to those who wait behind it, and is tried again.
 * When `appUrl` names another login than the owner's, that login is made if it is missing and may take the application roles.
 */
export async function migrate(ownerUrl: string, appUrl?: string): Promise<string[]> {
  const dataSource = await ownerDataSource(ownerUrl).initialize();
  try {
    const lock = dataSource.createQueryRunner();
    try {
      // Session-level, on a connection of its own: each migration commits in between, and the lock must outlive that.
      // Whoever waits here holds nobody up.
      await lock.query('set lock_timeout = 0; set statement_timeout = 0');
      await lock.query('select pg_advisory_lock($1)', [LOCK_ID]);
      const ran = await runGivingWay(dataSource);
      if (appUrl !== undefined) await admitLogin(dataSource, new URL(ownerUrl), new URL(appUrl));
      return ran;
    } finally {
      await lock.query('select pg_advisory_unlock($1)', [LOCK_ID]).catch(() => undefined);
      await lock.release();
    }
  } finally {
    await dataSource.destroy();
  }
}

async function runGivingWay(dataSource: DataSource): Promise<string[]> {
  let before: string[] | undefined;
  for (let tries = 1; ; tries++) {
    try {
      before ??= await appliedTo(dataSource);
      // Most starts: TypeORM would look at the whole schema first.
      if (MIGRATIONS.every(({ name }) => before?.includes(name))) return [];
      await dataSource.runMigrations();
      return (await appliedTo(dataSource)).filter((name) => before?.includes(name) !== true);
    } catch (error) {
      if (tries === LOCK_TRIES || !isLockTimeout(error)) throw error;
      await sleep(LOCK_PAUSE_MS);
    }
  }
}

/** The names of the migrations that have run, oldest first. */
async function appliedTo(dataSource: DataSource): Promise<string[]> {
  const [{ exists }] = await dataSource.query<[{ exists: boolean }]>(
    `select to_regclass('${MIGRATIONS_TABLE}') is not null as exists`,
  );
  if (!exists) return [];
  const rows = await dataSource.query<{ name: string }[]>(`select name from ${MIGRATIONS_TABLE} order by id`);
  return rows.map(({ name }) => name);
}

/** A new login inherits nothing: without taking a role it can not even read. */
async function admitLogin(dataSource: DataSource, owner: URL, app: URL): Promise<void> {
  const login = decodeURIComponent(app.username);
  if (login === '' || login === decodeURIComponent(owner.username)) return;
  const quoted = dataSource.driver.escape(login);
  const [{ missing, outside }] = await dataSource.query<[{ missing: boolean; outside: boolean }]>(
    `select r.oid is null as missing,
            r.oid is null or not (pg_has_role(r.oid, '${APP_ROLE}', 'member') and pg_has_role(r.oid, '${SYSTEM_ROLE}', 'member')) as outside
     from (select $1::text as name) given left join pg_roles r on r.rolname = given.name`,
    [login],
  );
  if (missing) {
    const password = decodeURIComponent(app.password).replaceAll("'", "''");
    await dataSource.query(
      `create role ${quoted} login noinherit nobypassrls password E'${password.replaceAll('\\', '\\\\')}'`,
    );
  }
  if (outside) await dataSource.query(`grant ${APP_ROLE}, ${SYSTEM_ROLE} to ${quoted}`);
}
