/** The servers to compare: how each prepares its database and how it is started. */
import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { transform } from '@swc/core';
import { fillNaive, fillParley, HISTORY_MESSAGES } from './dataset.mjs';
import { importDist, ROOT } from './harness.mjs';
import { makeBare } from './peers/bare.mjs';

/** Packages that `--install` downloaded from npm and PyPI; git ignores them. */
const PEERS = fileURLToPath(new URL('.peers', import.meta.url));

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The settings of all peers. */
function commonEnv({ databaseUrl, modelUrl, poolSize, accessKey }) {
  return {
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: String(poolSize),
    OPENAI_BASE_URL: `${modelUrl}/v1`,
    OPENAI_API_KEY: 'bench',
    OPENAI_MODEL: 'mock-1',
    HISTORY_MESSAGES: String(HISTORY_MESSAGES),
    JWT_KEY: accessKey.bytes.toString('base64'),
    JWT_KEY_ID: accessKey.id,
  };
}

async function migrateAndFill(root, url, dataset) {
  // With the command line, which every version of Parley has.
  const command = [join(root, 'dist/src/cli.js'), 'migrate'];
  const { PATH, HOME } = process.env;
  await promisify(execFile)(process.execPath, command, { env: { PATH, HOME, DATABASE_URL: url } });
  await fillParley(url, dataset);
}

/** Parley as `npm run start:prod` starts it, from the build in `root`. */
export function parley(root = ROOT, name = 'parley') {
  return {
    name,
    async start(harness, context) {
      await migrateAndFill(root, context.databaseUrl, context.dataset);
      const { jwtSecret, passwordPepper, masterKeys } = context;
      const env = {
        ...commonEnv(context),
        LLM_PROVIDER: 'openai',
        LOG_LEVEL: 'warn',
        DEFAULT_PLAN: 'unlimited',
        JWT_SECRET: jwtSecret,
        PASSWORD_PEPPER: passwordPepper,
        MASTER_KEYS: masterKeys,
        ...context.env,
      };
      return harness.startServer(name, resolve(root, 'dist/src/main.js'), { env, nodeArgs: context.nodeArgs });
    },
  };
}

/** Another built checkout of Parley, for a comparison in the same run. */
export function otherParley(directory) {
  const root = resolve(directory);
  return parley(root, `parley in ${basename(root)}`);
}

/** Parley without limits, budgets, ledger and known prompts: see peers/bare.mjs. */
export const bareParley = {
  name: 'parley-bare',
  start: (harness, context) =>
    parley(makeBare(mkdtempSync(join(harness.dir, 'bare-'))), 'parley-bare').start(harness, context),
};

/** The lower bound: see peers/raw.mjs. */
export const raw = {
  name: 'raw',
  async start(harness, context) {
    await migrateAndFill(ROOT, context.databaseUrl, context.dataset);
    const env = { ...commonEnv(context), PARLEY_DIST: resolve(ROOT, 'dist') };
    return harness.startServer('raw', fileOf('peers/raw.mjs'), { env, nodeArgs: context.nodeArgs });
  },
};

/** The ordinary Nest way: see peers/naive-nest/main.ts. */
export const naiveNest = {
  name: 'naive-nest',
  async start(harness, context) {
    const server = await harness.startServer('naive-nest', await compile(harness.dir, 'naive-nest'), {
      env: commonEnv(context),
      nodeArgs: context.nodeArgs,
    });
    await fillNaive(context.databaseUrl, context.dataset);
    return server;
  },
};

/** Compiles the TypeScript of a peer, because of its decorators. Returns its main file. */
async function compile(dir, peer) {
  const target = join(dir, peer);
  const source = fileOf(`peers/${peer}`);
  mkdirSync(target);
  symlinkSync(join(ROOT, 'node_modules'), join(target, 'node_modules'), 'junction');
  writeFileSync(join(target, 'package.json'), '{"type":"module"}');
  const options = JSON.parse(readFileSync(join(ROOT, '.swcrc'), 'utf8'));
  delete options.exclude;
  for (const file of readdirSync(source).filter((name) => name.endsWith('.ts'))) {
    const filename = join(source, file);
    const { code } = await transform(readFileSync(filename, 'utf8'), {
      ...options,
      module: { type: 'es6' },
      sourceMaps: false,
      filename,
      swcrc: false,
    });
    writeFileSync(join(target, file.replace(/ts$/, 'js')), code);
  }
  return join(target, 'main.js');
}

/** A peer that is missing on this machine and cannot be installed. It is reported, never skipped silently. */
export class NotInstalled extends Error {}

const DEBIAN_PACKAGES = ['fastapi', 'uvicorn', 'sqlalchemy', 'asyncpg', 'uvloop', 'httptools', 'httpx', 'jwt'].map(
  (name) => `python3-${name}`,
);
const DEBIAN_PYTHON = '/usr/bin/python3';

/** The seed's own stack, from Debian's packages: see peers/fastapi/main.py. */
export const fastApi = {
  name: 'fastapi',
  async start(harness, context) {
    await ensure(
      [DEBIAN_PYTHON, '-c', 'import fastapi, uvicorn, sqlalchemy, asyncpg, uvloop, httptools, httpx, jwt'],
      context.install && ['apt-get', 'install', '-y', '--no-install-recommends', ...DEBIAN_PACKAGES],
      `needs ${DEBIAN_PACKAGES.join(' ')} of Debian (--install gets them as root)`,
    );
    const commandFor = (port) => [
      ...[DEBIAN_PYTHON, '-m', 'uvicorn', 'main:app', '--app-dir', fileOf('peers/fastapi'), '--port', String(port)],
      ...['--loop', 'uvloop', '--http', 'httptools', '--no-access-log', '--log-level', 'warning'],
    ];
    const env = { ...commonEnv(context), PYTHONDONTWRITEBYTECODE: '1' };
    const server = await harness.startProgram('fastapi', commandFor, { env });
    await fillNaive(context.databaseUrl, context.dataset);
    return server;
  },
};

/** A gateway that stores nothing, from npm. */
export const portkey = {
  name: 'portkey',
  async start(harness, { modelUrl, install }) {
    const dir = join(PEERS, 'portkey');
    const main = join(dir, 'node_modules/@portkey-ai/gateway/build/start-server.js');
    await ensure(
      ['test', '-f', main],
      install && ['npm', 'install', '--prefix', dir, '--no-audit', '--no-fund', '@portkey-ai/gateway@1'],
      'needs @portkey-ai/gateway of npm (--install gets it)',
    );
    const env = { TRUSTED_CUSTOM_HOSTS: '127.0.0.1,localhost' };
    const server = await harness.startProgram(
      'portkey',
      (port) => [process.execPath, main, '--headless', `--port=${port}`],
      { env },
    );
    const headers = { 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${modelUrl}/v1` };
    return { ...server, headers };
  },
};

/** A gateway from PyPI that stores nothing in this setup, with one worker: it gets one core like the others. */
export const liteLlm = {
  name: 'litellm',
  async start(harness, { modelUrl, install }) {
    const venv = join(PEERS, 'litellm');
    const program = join(venv, 'bin/litellm');
    await ensure(
      ['test', '-x', program],
      install && ['sh', '-c', 'python3 -m venv "$0" && "$0/bin/pip" install --quiet "litellm[proxy]"', venv],
      'needs litellm[proxy] of PyPI (--install gets it)',
    );
    const config = join(harness.dir, 'litellm.yaml');
    // It does not start without its own key.
    const key = `sk-${randomBytes(32).toString('hex')}`;
    const params = `{ model: openai/mock-1, api_base: "${modelUrl}/v1", api_key: bench }`;
    writeFileSync(
      config,
      `model_list:\n  - model_name: mock-1\n    litellm_params: ${params}\nlitellm_settings: { telemetry: false }\ngeneral_settings: { master_key: ${key} }\n`,
    );
    const commandFor = (port) => [program, '--config', config, '--host', '127.0.0.1', '--port', String(port)];
    const env = { LITELLM_LOG: 'ERROR' };
    const server = await harness.startProgram('litellm', commandFor, { env, timeoutMs: 180_000 });
    return { ...server, headers: { authorization: `Bearer ${key}` } };
  },
};

/** Checks that a peer is installed; installs it if that is allowed, otherwise throws `NotInstalled`. */
async function ensure(check, installation, need) {
  if (await succeeds(check)) return;
  if (installation) {
    process.stderr.write(`installing: ${installation.join(' ')}\n`);
    if ((await succeeds(installation)) && (await succeeds(check))) return;
  }
  throw new NotInstalled(installation ? `it could not be installed: ${need}` : need);
}

function succeeds([command, ...args]) {
  return new Promise((done) => {
    const child = spawn(command, args, { stdio: 'ignore' });
    child.once('error', () => done(false));
    child.once('exit', (code) => done(code === 0));
  });
}
