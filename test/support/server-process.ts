import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = join(ROOT, 'dist', 'src', 'main.js');
const READY = /Parley is ready: (\S+)|"address":"([^"]+)"/;

/** The built server in its own process, with only the given environment. */
export class ServerProcess {
  /** The exit code, or null when a signal ended it. */
  readonly exited: Promise<number | null>;
  private text = '';
  private isOver = false;

  constructor(private readonly child: ChildProcess) {
    const append = (chunk: Buffer): void => void (this.text += chunk.toString());
    child.stdout?.on('data', append);
    child.stderr?.on('data', append);
    this.exited = new Promise((resolve) => {
      child.once('close', (code) => {
        this.isOver = true;
        resolve(code);
      });
    });
  }

  get pid(): number {
    return this.child.pid ?? -1;
  }

  get url(): string {
    const [, printed, logged] = READY.exec(this.text) ?? [];
    return printed ?? logged ?? '';
  }

  /** The output so far, of stdout and stderr. */
  output(): string {
    return this.text;
  }

  /** Resolves with the exit code; rejects when it has not ended after 20 seconds. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (!this.isOver) this.child.kill(signal);
    return this.end();
  }

  /** Waits for the process to end by itself. Rejects after 20 seconds. */
  async end(): Promise<number | null> {
    await eventually(
      () => this.isOver,
      () => `the server has not ended:\n${this.text}`,
    );
    return this.exited;
  }

  /** Resolves when it listens; rejects with its output when it ends instead, or after 20 seconds. */
  async ready(): Promise<this> {
    await eventually(
      () => this.url !== '' || this.isOver,
      () => `the server is not ready:\n${this.text}`,
    );
    if (this.url === '') throw new Error(`the server has ended:\n${this.text}`);
    return this;
  }
}

/** Starts the built server in `env.DATA_DIR` on a free port and waits until it listens. */
export function startServer(env: NodeJS.ProcessEnv): Promise<ServerProcess> {
  return spawnServer(env).ready();
}

/** Starts the built server without waiting, for starts that fail. */
export function spawnServer(env: NodeJS.ProcessEnv): ServerProcess {
  return launch(process.execPath, [MAIN], env);
}

/** Starts the server through npm, as `npm start` does after its build. */
export function startByNpm(env: NodeJS.ProcessEnv): Promise<ServerProcess> {
  return launch('npm', ['run', '--silent', 'start:prod'], env).ready();
}

function launch(command: string, args: string[], env: NodeJS.ProcessEnv): ServerProcess {
  const { PATH, HOME } = process.env;
  const clean = {
    ...{ PATH, HOME },
    // An empty variable counts as absent, and keeps a developer's own .env out of the test.
    ...{
      DATABASE_URL: '',
      DATABASE_OWNER_URL: '',
      NODE_ENV: '',
      LLM_PROVIDER: '',
      OPENAI_API_KEY: '',
      OPENROUTER_API_KEY: '',
    },
    // As if npm had started it, so that it does not outlive a Jest that is killed.
    npm_lifecycle_event: 'start',
  };
  const child = spawn(command, args, {
    cwd: ROOT,
    env: { ...clean, PORT: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new ServerProcess(child);
}

/** The process id of the embedded PostgreSQL in a data directory, as long as its lock file is there. */
export function postgresPid(dataDir: string): number | undefined {
  try {
    return Number.parseInt(readFileSync(join(dataDir, 'postgres', 'cluster', 'data', 'postmaster.pid'), 'utf8'), 10);
  } catch {
    return undefined;
  }
}

/** Whether a process runs. A zombie, which may never be collected in a container, does not. */
export function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    process.kill(pid, 0);
    return process.platform !== 'linux' || !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Waits until `condition` is true; throws the explanation after 20 seconds. */
export async function eventually(condition: () => boolean | Promise<boolean>, explain: () => string): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(explain());
    await sleep(25);
  }
}
