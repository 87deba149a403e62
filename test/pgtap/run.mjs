import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { migrate } from '../../dist/src/platform/database/migrate.js';
import { unprivilegedAccount } from '../../dist/src/platform/embedded-postgres/run-as.js';
import { PRODUCT_DATABASE } from '../../dist/src/product-database.js';

// Has somebody else's program judge the isolation of tenants, on a PostgreSQL that is not the one we bring: Debian's, by pgTAP.
// With `--tests` the tests of this repository run on that server too, those whose path matches what follows.

const SUITE = readFileSync(new URL('isolation.sql', import.meta.url), 'utf8');
const PASSWORD = 'only for this run';

/** What must not go unseen. Each is done and taken back in the suite's own transaction. */
const MUTANTS = [
  'alter policy tenant on messages using (true)',
  'alter policy tenant on projects with check (true)',
  'alter policy project on chat_sessions using (true)',
  'alter table api_keys no force row level security',
  'alter table sign_ins disable row level security',
  'alter role parley_app bypassrls',
  'grant truncate on prompts to parley_app',
  'grant select on turns to public',
  'grant select (content) on messages to parley_system',
  'create policy more on second_factors to parley_app using (true)',
  'create table things (user_id uuid, id uuid); grant all on things to parley_app',
  'create view everything with (security_barrier) as select * from messages',
];

/** The oldest version that Debian's packages have brought here together with pgTAP: what is oldest is most worth a test. */
function findServer() {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').map(Number) : [];
  const version = versions
    .sort((a, b) => a - b)
    .find((major) => major >= 15 && existsSync(`/usr/share/postgresql/${major}/extension/pgtap.control`));
  return version === undefined ? undefined : { version, bin: `/usr/lib/postgresql/${version}/bin` };
}

/** Starts it, and stops it when its input ends, however we end. */
const KEEPER = '"$@" </dev/null >postgres.log 2>&1 & read -r _; kill -INT $!; wait $!';

async function start({ bin }, dir) {
  const account = unprivilegedAccount();
  const data = join(dir, 'data');
  const secret = join(dir, 'secret');
  mkdirSync(data);
  writeFileSync(secret, PASSWORD, { mode: 0o600 });
  if (account.uid !== undefined) for (const path of [dir, data, secret]) chownSync(path, account.uid, account.gid);
  const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
  const options = { ...account, cwd: dir, env };
  const args = ['-D', data, '-U', 'postgres', '-A', 'scram-sha-256', '--pwfile', secret, '-E', 'UTF8', '--no-sync'];
  const made = spawnSync(join(bin, 'initdb'), args, { ...options, encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);
  const port = await freePort();
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off', 'max_connections=200'];
  const program = [join(bin, 'postgres'), '-D', data, '-p', String(port), ...settings.flatMap((one) => ['-c', one])];
  const keeper = spawn('/bin/sh', ['-c', KEEPER, 'sh', ...program], {
    ...options,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  const url = `postgres://postgres:${encodeURIComponent(PASSWORD)}@127.0.0.1:${port}/postgres`;
  const stop = async () => {
    const gone = once(keeper, 'exit');
    keeper.stdin.end();
    await gone;
  };
  try {
    for (let tries = 0; ; tries++) {
      const client = new pg.Client({ connectionString: url });
      const isUp = await client.connect().then(
        () => client.end().then(() => true),
        () => false,
      );
      if (isUp) return { url, stop };
      if (tries === 300 || keeper.exitCode !== null) throw new Error(readFileSync(join(dir, 'postgres.log'), 'utf8'));
      await sleep(100);
    }
  } catch (error) {
    if (keeper.exitCode === null) await stop();
    throw error;
  }
}

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

/** The lines of TAP; an error of SQL is a failure, too. */
async function judge(url, mutation = '') {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const results = await client.query(SUITE.replace('begin;', `begin;\n${mutation};`));
    return results.flatMap(({ rows }) => rows.flatMap((row) => Object.values(row).map(String)));
  } catch (error) {
    return [`not ok - ${error.message}`];
  } finally {
    await client.end();
  }
}

const failuresOf = (lines) => lines.filter((line) => line.startsWith('not ok'));
/** By a verdict, not because the suite fell over. */
const sees = (lines) => lines.some((line) => /^not ok \d+/.test(line));

async function main() {
  const server = findServer();
  if (server === undefined) {
    console.log('pgTAP: skipped, there is none here (Debian: apt-get install postgresql-15-pgtap)');
    return 0;
  }
  const dir = mkdtempSync(join(tmpdir(), 'pgtap-'));
  const { url, stop } = await start(server, dir);
  try {
    await migrate(PRODUCT_DATABASE, url);
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      'create schema tap; create extension pgtap schema tap; alter database postgres set search_path = public, tap',
    );
    await client.end();
    const lines = await judge(url);
    const [passed, failed] = [lines.filter((line) => line.startsWith('ok')), failuresOf(lines)];
    for (const line of failed) console.log(line);
    const unseen = [];
    for (const mutation of MUTANTS) if (!sees(await judge(url, mutation))) unseen.push(mutation);
    for (const mutation of unseen) console.log(`not seen: ${mutation}`);
    const seen = `${MUTANTS.length - unseen.length} of ${MUTANTS.length} mutants seen`;
    console.log(`pgTAP on PostgreSQL ${server.version}: ${passed.length} passed, ${failed.length} failed, ${seen}`);
    const isFine = passed.length > 100 && failed.length === 0 && unseen.length === 0;
    return isFine ? runTests(url) : 1;
  } finally {
    await stop();
    rmSync(dir, { recursive: true, force: true });
  }
}

function runTests(url) {
  const at = process.argv.indexOf('--tests');
  if (at < 0) return 0;
  const jest = fileURLToPath(new URL('../../node_modules/jest/bin/jest.js', import.meta.url));
  const args = ['--experimental-vm-modules', '--no-warnings', jest, ...process.argv.slice(at + 1)];
  const env = { ...process.env, TEST_DATABASE_OWNER_URL: url };
  return spawnSync(process.execPath, args, { stdio: 'inherit', env }).status ?? 1;
}

process.exitCode = await main();
