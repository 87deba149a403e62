import { randomBytes } from 'node:crypto';
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Programs } from './bundled-programs.js';
import { type Account, type Outcome, run } from './run-as.js';

/** A complete data directory, the password of its superuser `postgres`, and the account its server runs as. */
export interface Cluster {
  readonly data: string;
  readonly password: string;
  readonly account: Account;
}

/** The whole environment of PostgreSQL: PG* variables would change its behaviour, and it must not see the application's secrets. */
export const POSTGRES_ENV = { LC_ALL: 'C', TZ: 'UTC', PATH: '/usr/bin:/bin' };

const INITDB_TIMEOUT_MS = 120_000;
const STAGING = '.new-';

/**
 * The name of the working directory for a program that runs as `account`. If root starts it, parents of the data directory
 * may be closed to that account (for example a checkout in /root), so it cannot use the path. spawn enters the directory
 * before it drops root, and on Linux this name leads there without passing through the parents.
 */
export function workingDirectory(data: string, { uid }: Account): string {
  return uid !== undefined && process.platform === 'linux' ? '/proc/self/cwd' : data;
}

/**
 * Opens the cluster in `home`, or creates it if `home` does not exist. If two processes create it at once, one wins and both
 * use the same cluster; a process that is killed meanwhile leaves nothing that is used.
 *
 * Throws one line that says what to do if the cluster has another major version, belongs to another account or is incomplete.
 */
export async function openCluster(
  home: string,
  programs: Programs,
  account: Account,
  ephemeral: boolean,
): Promise<Cluster> {
  removeLeftovers(home);
  if (!existsSync(home)) await makeCluster(home, programs, account, ephemeral);
  const data = join(home, 'data');
  const version = readOr(() => readFileSync(join(data, 'PG_VERSION'), 'utf8').trim());
  const password = readOr(() => readFileSync(join(home, 'password'), 'utf8').trim());
  if (version === undefined || password === undefined) {
    throw new Error(
      `${home} is not whole, or belongs to another account: start as its owner, or move it away to begin with an empty database`,
    );
  }
  if (version !== programs.major) {
    throw new Error(
      `${home} was made by PostgreSQL ${version}, and the bundled one is ${programs.major}: move that directory away to ` +
        `begin with an empty database, or run PostgreSQL ${version} on ${data} yourself and set DATABASE_URL`,
    );
  }
  const { uid, gid } = statSync(data);
  // The files of an ordinary user remain usable for that user after root has started the server once.
  return { data, password, account: account.uid === undefined || uid === 0 ? account : { uid, gid } };
}

async function makeCluster(home: string, programs: Programs, account: Account, ephemeral: boolean): Promise<void> {
  const staging = mkdtempSync(home + STAGING);
  try {
    const data = join(staging, 'data');
    mkdirSync(data, { mode: 0o700 });
    own(data, account);
    const password = randomBytes(24).toString('base64url');
    writeFileSync(join(staging, 'password'), `${password}\n`, { mode: 0o600 });
    const { code, output } = await initialise(staging, password, programs, account, ephemeral);
    if (code !== 0) throw new Error(`the database could not be made in ${dirname(home)}: ${lastWords(output)}`);
    renameSync(staging, home);
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    // Another process was faster: use its cluster.
    if (!existsSync(home)) throw error;
  }
}

async function initialise(
  staging: string,
  password: string,
  programs: Programs,
  account: Account,
  ephemeral: boolean,
): Promise<Outcome> {
  const data = join(staging, 'data');
  const handover = join(staging, 'handover');
  writeFileSync(handover, `${password}\n`, { mode: 0o600 });
  own(handover, account);
  const stdin = openSync(handover, 'r');
  try {
    return await run(
      programs.initdb,
      [
        ...['-D', workingDirectory(data, account), '-U', 'postgres', '-A', 'scram-sha-256'],
        // Read through its descriptor, because the account may have no access to any path of the file.
        ...['--pwfile', process.platform === 'win32' ? handover : '/dev/stdin'],
        // The builtin provider sorts and folds case alike on every operating system, and needs no locales of the system.
        ...['-E', 'UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
        ...['--no-instructions', ...(ephemeral ? ['--no-sync'] : [])],
      ],
      { ...account, cwd: data, env: POSTGRES_ENV, timeoutMs: INITDB_TIMEOUT_MS, stdin },
    );
  } finally {
    closeSync(stdin);
    rmSync(handover, { force: true });
  }
}

function own(path: string, { uid, gid }: Account): void {
  if (uid !== undefined && gid !== undefined) chownSync(path, uid, gid);
}

/** Removes the leftovers of killed starts. A recent one is kept, because its start may still be running. */
function removeLeftovers(home: string): void {
  const parent = dirname(home);
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(basename(home) + STAGING))) {
    const path = join(parent, name);
    const madeAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Number.POSITIVE_INFINITY;
    if (Date.now() - madeAt > 2 * INITDB_TIMEOUT_MS) rmSync(path, { recursive: true, force: true });
  }
}

function readOr(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The reason of a failure in PostgreSQL's own words, on one line: its last errors and hints, or else its last line. */
export function lastWords(output: string): string {
  const lines = output.split('\n').map((line) => line.replace(/^[\d-]+ [\d:.]+ \w+ \[\d+\] /, '').trim());
  const reasons = lines.filter((line) => /^(FATAL|PANIC|ERROR|HINT|DETAIL)|error:/.test(line));
  const chosen = reasons.length > 0 ? reasons.slice(-3) : lines.filter((line) => line !== '').slice(-1);
  return chosen.join('; ').slice(0, 600) || 'it gave no reason';
}
