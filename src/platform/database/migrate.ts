import type { DataSource } from 'typeorm';
import { APP_ROLE, ownerDataSource, SYSTEM_ROLE } from './data-source.js';

// Any fixed number does; it only has to be the same in every instance.
const LOCK_ID = 7_220_193_411;

/**
 * Brings the schema to the newest migration and returns the names of those it ran.
 *
 * Instances that start together take turns by an advisory lock: one migrates, the others wait and find nothing to do.
 * When `appUrl` names another login than the owner's, that login is made if it is missing and may take the application roles.
 */
export async function migrate(ownerUrl: string, appUrl?: string): Promise<string[]> {
  const dataSource = await ownerDataSource(ownerUrl).initialize();
  try {
    const lock = dataSource.createQueryRunner();
    try {
      // Session-level, on a connection of its own: each migration commits in between, and the lock must outlive that.
      await lock.query('select pg_advisory_lock($1)', [LOCK_ID]);
      const ran = await dataSource.runMigrations();
      if (appUrl !== undefined) await admitLogin(dataSource, new URL(ownerUrl), new URL(appUrl));
      return ran.map((migration) => migration.name);
    } finally {
      await lock.query('select pg_advisory_unlock($1)', [LOCK_ID]).catch(() => undefined);
      await lock.release();
    }
  } finally {
    await dataSource.destroy();
  }
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
