import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { ownerDataSource } from './data-source.js';
import { findMigrations, loadMigrations, type MigrationFile, MIGRATIONS_TABLE } from './migration-files.js';
import { isLockTimeout } from './pg-errors.js';
import type { ProductDatabase } from './product-database.js';

// A fixed number that no other advisory lock uses. It must be the same in every instance.
const LOCK_ID = 7_220_193_411;
/** How often a migration tries to get its locks, and the pause between two attempts. */
const LOCK_TRIES = 120;
const LOCK_PAUSE_MS = 1000;
const CONNECT_TIMEOUT_MS = 5000;

/**
 * Migrates the schema to the newest migration of the product's folder. Returns the names of the migrations that it ran.
 *
 * Instances that start together take turns through an advisory lock: one migrates, the others wait and find nothing to do.
 * A migration that does not get a table lock within a second lets the queries behind it proceed, and tries again.
 * When `appUrl` names another login than the owner's, that login is created if it is missing and gets the product's roles.
 */
export async function migrate(product: ProductDatabase, ownerUrl: string, appUrl?: string): Promise<string[]> {
  const client = new pg.Client({
    connectionString: ownerUrl,
    application_name: 'parley-migrate',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
  });
  // A lost connection also fails the query that is waiting; without a listener, the event would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // The lock needs its own connection, because each migration commits, and the lock must outlive that. It ends with the
    // connection. An instance that waits here blocks no other query.
    await client.query('set lock_timeout = 0; set statement_timeout = 0');
    await client.query('select pg_advisory_lock($1)', [LOCK_ID]);
    const ran = await runMissing(client, findMigrations(product.migrations), ownerUrl);
    if (appUrl !== undefined) await admitLogin(client, product, new URL(ownerUrl), new URL(appUrl));
    return ran;
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function runMissing(client: pg.Client, files: readonly MigrationFile[], ownerUrl: string): Promise<string[]> {
  const before = await appliedTo(client);
  // The usual start: no migration is loaded, and TypeORM does not inspect the schema.
  if (files.every(({ name }) => before.includes(name))) return [];
  const dataSource = await ownerDataSource(ownerUrl, await loadMigrations(files)).initialize();
  try {
    for (let tries = 1; ; tries++) {
      try {
        await dataSource.runMigrations();
        return (await appliedTo(client)).filter((name) => !before.includes(name));
      } catch (error) {
        if (tries === LOCK_TRIES || !isLockTimeout(error)) throw error;
        await sleep(LOCK_PAUSE_MS);
      }
    }
  } finally {
    await dataSource.destroy();
  }
}

/** The names of the migrations that have run, oldest first. */
async function appliedTo(client: pg.Client): Promise<string[]> {
  const exists = `select to_regclass('${MIGRATIONS_TABLE}') is not null as exists`;
  if ((await client.query<{ exists: boolean }>(exists)).rows[0]?.exists !== true) return [];
  const { rows } = await client.query<{ name: string }>(`select name from ${MIGRATIONS_TABLE} order by id`);
  return rows.map(({ name }) => name);
}

/** A new login inherits no privileges: it cannot even read before it takes a role. */
async function admitLogin(client: pg.Client, product: ProductDatabase, owner: URL, app: URL): Promise<void> {
  const login = decodeURIComponent(app.username);
  if (login === '' || login === decodeURIComponent(owner.username)) return;
  const { appRole, systemRole } = product;
  const quoted = client.escapeIdentifier(login);
  const { rows } = await client.query<{ missing: boolean; outside: boolean }>(
    `select r.oid is null as missing,
            r.oid is null or not (pg_has_role(r.oid, $2, 'member') and pg_has_role(r.oid, $3, 'member')) as outside
     from (select $1::text as name) given left join pg_roles r on r.rolname = given.name`,
    [login, appRole, systemRole],
  );
  if (rows[0]?.missing === true) {
    const password = client.escapeLiteral(decodeURIComponent(app.password));
    await client.query(`create role ${quoted} login noinherit nobypassrls password ${password}`);
  }
  if (rows[0]?.outside === true) await client.query(`grant ${appRole}, ${systemRole} to ${quoted}`);
}
