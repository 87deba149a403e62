import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const STEP_LIMIT_MS = 8 * 60_000;
const SHOWN_CHARACTERS = 4000;

/** A tool that this machine does not have. */
export class Missing extends Error {}

/**
 * A scratch folder in which the generators are installed, each kind when it is first needed, and in which they write. Nothing
 * reaches the project's own node_modules.
 */
export class Workshop {
  #installed = new Map();
  #running = new Set();
  #dir;

  constructor(dir) {
    this.#dir = dir;
  }

  /** The path of a folder in the scratch folder, made when absent. */
  folder(name) {
    const path = join(this.#dir, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** The same, and empty: a scratch folder that was kept has what was generated earlier. */
  emptyFolder(name) {
    rmSync(join(this.#dir, name), { recursive: true, force: true });
    return this.folder(name);
  }

  /** The packages of `tools/<name>/package.json`, installed; returns the folder. */
  npm(name) {
    return this.#once(name, async () => {
      const folder = this.folder(name);
      cpSync(join(HERE, 'tools', name), folder, { recursive: true });
      const quiet = ['--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--loglevel=error'];
      await this.run('npm', ['install', ...quiet], { cwd: folder });
      return folder;
    });
  }

  /** The packages of the requirements files of these names, installed; returns the folder of the programs. */
  python(...names) {
    return this.#once(`python ${names.join(' ')}`, async () => {
      const folder = this.folder('python-tools');
      const bin = join(folder, process.platform === 'win32' ? 'Scripts' : 'bin');
      await this.need('python3', '-c', 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))');
      if (!existsSync(bin)) await this.run('python3', ['-m', 'venv', folder]);
      const files = names.flatMap((name) => ['--requirement', join(HERE, 'tools', `${name}.txt`)]);
      await this.run(join(bin, 'pip'), ['install', '--quiet', '--disable-pip-version-check', ...files]);
      return bin;
    });
  }

  /** Fails with `Missing` when a program cannot be run here. */
  need(command, ...args) {
    return this.#once(`need ${command}`, () =>
      this.run(command, args).catch(() => {
        throw new Missing(`${command} is not installed, or not fit for this`);
      }),
    );
  }

  /** Runs a program to its end and returns what it has written; fails with all its output. It is bounded in time. */
  async run(command, args, { cwd = this.#dir, env = {}, path = [] } = {}) {
    const PATH = [...path, process.env.PATH].join(delimiter);
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env, PATH },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that its children can be ended with it.
      detached: process.platform !== 'win32',
    });
    this.#running.add(child);
    const written = { stdout: '', all: '' };
    child.stdout.on('data', (chunk) => {
      written.stdout += chunk;
      written.all += chunk;
    });
    child.stderr.on('data', (chunk) => (written.all += chunk));
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      end(child);
    }, STEP_LIMIT_MS);
    const code = await new Promise((done, failed) => child.once('error', failed).once('close', done)).finally(() => {
      clearTimeout(timer);
      this.#running.delete(child);
    });
    if (code === 0) return written.stdout;
    const why = isLate ? `has not ended after ${STEP_LIMIT_MS / 60_000} minutes` : `ended with ${code}`;
    throw new Error(`${command} ${args.join(' ')} ${why}:\n${written.all.slice(-SHOWN_CHARACTERS)}`);
  }

  /** Ends every program that runs. */
  close() {
    for (const child of this.#running) end(child);
  }

  #once(name, make) {
    if (!this.#installed.has(name)) this.#installed.set(name, make());
    return this.#installed.get(name);
  }
}

function end(child) {
  try {
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
