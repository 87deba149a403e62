import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import pg from 'pg';

const DIST = new URL('../../dist/src/', import.meta.url);
const TEMPLATE = 'parley_template';

/**
 * Runs before all tests: starts a PostgreSQL server, with a migrated database that every test file clones.
 * Workers find the server in PARLEY_TEST_SERVER_URL. With TEST_DATABASE_OWNER_URL that server is used and left running.
 * At the end, PARLEY_TEST_DIR is removed, and database servers that still run there are stopped.
 */
export default async function setup() {
  if (!existsSync(DIST)) throw new Error('The tests run against the built server: run `npx nest build` first.');
  const dir = mkdtempSync(join(tmpdir(), 'parley-test-'));
  const janitor = startJanitor(dir);
  globalThis.__PARLEY_TEST__ = { dir, janitor };
  const url = process.env.TEST_DATABASE_OWNER_URL || (await startServer(dir));
  process.env.PARLEY_TEST_DIR = dir;
  process.env.PARLEY_TEST_SERVER_URL = url;
  await makeTemplate(url);
}

async function startServer(dir) {
  const { startEmbeddedPostgres } = await import(new URL('platform/embedded-postgres/embedded-postgres.js', DIST).href);
  const log = (line) => process.stderr.write(`${line}\n`);
  const server = await startEmbeddedPostgres({ dir: join(dir, 'server'), ephemeral: true, log });
  globalThis.__PARLEY_TEST__.server = server;
  return server.url;
}

/**
 * Jest does not tear down when it is interrupted or killed. This shell waits for the end of its input, which is the end of
 * Jest, whatever its cause, and then stops the servers in `dir` and removes it.
 */
function startJanitor(dir) {
  if (process.platform === 'win32') return undefined;
  // For two seconds, because a server may still be starting.
  const script = `read -r _
    for _ in 1 2 3 4 5 6 7 8; do
      find "$0" -name postmaster.pid | while read -r file; do kill -QUIT "$(head -n 1 "$file")"; done
      sleep 0.25
    done
    rm -rf "$0"; sleep 5; rm -rf "$0"`;
  const janitor = spawn('/bin/sh', ['-c', script, dir], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] });
  janitor.unref();
  janitor.stdin.unref();
  return janitor;
}

async function makeTemplate(url) {
  const admin = new pg.Client({ connectionString: url, application_name: 'parley-test-setup' });
  await admin.connect();
  try {
    await admin.query(`drop database if exists ${TEMPLATE} with (force)`);
    await admin.query(`create database ${TEMPLATE}`);
  } finally {
    await admin.end();
  }
  const { migrate } = await import(new URL('platform/database/migrate.js', DIST).href);
  const { PRODUCT_DATABASE } = await import(new URL('product-database.js', DIST).href);
  const template = new URL(url);
  template.pathname = `/${TEMPLATE}`;
  await migrate(PRODUCT_DATABASE, template.href);
}
