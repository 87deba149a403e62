import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;

/** The account a child process runs as; empty means the account of this process. */
export interface Account {
  readonly uid?: number;
  readonly gid?: number;
}

/**
 * The account for programs that refuse to run as root: `nobody` if this process is root, otherwise this process's own.
 * Throws if this process is root and there is no `nobody`.
 */
export function unprivilegedAccount(): Account {
  if (process.getuid?.() !== 0) return {};
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    // macOS writes the ids of nobody as -2.
    if (name === 'nobody') return { uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 };
  }
  throw new Error('PostgreSQL does not run as root and there is no account `nobody` to run it: set DATABASE_URL');
}

/** How to run a program: where, with which environment, for how long at most, and with which input. */
export interface RunOptions extends Account {
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** A file descriptor for its standard input; without it, the program has no input. */
  readonly stdin?: number;
}

/** The result of a program: its exit code (undefined if it could not start or was killed) and its whole output. */
export interface Outcome {
  readonly code: number | undefined;
  readonly output: string;
}

/**
 * Runs a program to its end, in its own process group, so that a Ctrl-C in the terminal does not reach it.
 * Never rejects; after `timeoutMs` the program is killed.
 */
export function run(file: string, args: string[], { stdin, timeoutMs, ...options }: RunOptions): Promise<Outcome> {
  return new Promise((resolve) => {
    let output = '';
    const child = spawn(file, args, {
      ...options,
      detached: process.platform !== 'win32',
      windowsHide: true,
      stdio: [stdin ?? 'ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    });
    const append = (chunk: Buffer): void => void (output += chunk.toString());
    child.stdout?.on('data', append);
    child.stderr?.on('data', append);
    child.once('error', (error) => resolve({ code: undefined, output: error.message }));
    child.once('close', (code) => resolve({ code: code ?? undefined, output }));
  });
}

/** Whether a process runs. A zombie does not; in a container without an init, it may never be collected. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.charAt(stat.lastIndexOf(')') + 2) !== 'Z';
  } catch {
    return process.platform !== 'linux';
  }
}

/** Resolves to true when the process has ended within `timeoutMs`, otherwise to false. */
export async function isGoneWithin(pid: number, timeoutMs: number): Promise<boolean> {
  const deadline = Date.now() + timeoutMs;
  while (isRunning(pid)) {
    if (Date.now() > deadline) return false;
    await sleep(POLL_MS);
  }
  // Our own child stays a zombie until the event loop collects it.
  await sleep(POLL_MS);
  return true;
}
