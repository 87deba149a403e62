import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { Cluster } from './cluster.js';
import { isRunning } from './run-as.js';

/** The process that serves a data directory, and its TCP port. */
export interface Server {
  readonly pid: number;
  readonly port: number;
}

/** Membership among the processes that use one embedded server. An open connection holds it, so it ends with the process. */
export interface Membership extends Server {
  readonly client: MemberClient;
}

// The published types lack these two methods.
type MemberClient = pg.Client & { ref(): void; unref(): void };

// A fixed number that no other advisory lock uses. Members share the lock; a member that gets it exclusively is the last.
const MEMBERS_LOCK = 7_220_193_412;
const CONNECT_TIMEOUT_MS = 2000;
const QUERY_TIMEOUT_MS = 5000;

/** The server that PostgreSQL's lock file names, if that process is running and serves `data`. */
export function serverOf(data: string): Server | undefined {
  const [pid, , , port] = lockFileOf(data);
  return pid !== undefined && port !== undefined && serves(pid, data) ? { pid, port } : undefined;
}

/** Whether the lock file names a running process that does not serve `data`, because the process id was reused. */
export function isLockMisleading(data: string): boolean {
  const [pid] = lockFileOf(data);
  return pid !== undefined && isRunning(pid) && !serves(pid, data);
}

/**
 * Joins the server of this cluster; undefined while there is none, or while it is starting or stopping.
 * Throws if the server refuses the password, which waiting does not change.
 */
export async function joinServer(cluster: Cluster): Promise<Membership | undefined> {
  const server = serverOf(cluster.data);
  if (server === undefined) return undefined;
  const client = new pg.Client({
    host: '127.0.0.1',
    port: server.port,
    user: 'postgres',
    password: cluster.password,
    database: 'postgres',
    ssl: false,
    application_name: 'parley-member',
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
  }) as MemberClient;
  // The end event reports a lost connection; without a listener, the error event would end the process.
  client.on('error', () => undefined);
  try {
    await client.connect();
    // Waits while the last member is stopping the server, and fails once it has stopped.
    await client.query('select pg_advisory_lock_shared($1)', [MEMBERS_LOCK]);
    client.unref();
    return { ...server, client };
  } catch (error) {
    void client.end().catch(() => undefined);
    if ((error as { code?: string }).code !== '28P01') return undefined;
    throw new Error(
      `${cluster.data} refuses the password kept beside it: restore that file, or move the directory away`,
    );
  }
}

/**
 * Leaves, and returns whether this was the last member. If so, no process can join until the caller ends the connection,
 * which it does after it has stopped the server. A server that does not answer has no other users, so the caller counts as
 * the last one.
 */
export async function isLastToLeave({ client }: Membership): Promise<boolean> {
  // The process must wait for the answer, even if it has nothing else left to do.
  client.ref();
  try {
    const { rows } = await client.query<{ alone: boolean }>(
      'select pg_advisory_unlock_shared($1), pg_try_advisory_lock($1) as alone',
      [MEMBERS_LOCK],
    );
    return rows[0]?.alone === true;
  } catch {
    return true;
  }
}

/** The numeric lines of postmaster.pid: the first is the process id, the fourth the port. */
function lockFileOf(data: string): (number | undefined)[] {
  try {
    const lines = readFileSync(join(data, 'postmaster.pid'), 'utf8').split('\n');
    return lines.map((line) => (/^\d+$/.test(line) ? Number(line) : undefined));
  } catch {
    return [];
  }
}

function serves(pid: number, data: string): boolean {
  if (!isRunning(pid)) return false;
  try {
    if (process.platform === 'linux') return inLinux(pid, data);
    if (process.platform === 'win32') return true;
    return execFileSync('ps', ['-o', 'comm=', '-p', String(pid)], { encoding: 'utf8' }).includes('postgres');
  } catch {
    return false;
  }
}

function inLinux(pid: number, data: string): boolean {
  try {
    // PostgreSQL runs inside its data directory. Root in a container may lack permission to look.
    return readlinkSync(`/proc/${pid}/cwd`) === realpathSync(data);
  } catch {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'postgres';
  }
}
