/** Who takes part: how each prepares its database and how its server is started. */
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transform } from '@swc/core';
import { fillNaive, fillParley, HISTORY_MESSAGES } from './dataset.mjs';
import { importDist, ROOT } from './harness.mjs';

const fileOf = (path) => fileURLToPath(new URL(path, import.meta.url));

/** The settings that all have in common. */
function commonEnv({ databaseUrl, modelUrl, poolSize, accessKey }) {
  return {
    DATABASE_URL: databaseUrl,
    DATABASE_POOL_SIZE: String(poolSize),
    OPENAI_BASE_URL: `${modelUrl}/v1`,
    OPENAI_API_KEY: 'bench',
    OPENAI_MODEL: 'mock-1',
    HISTORY_MESSAGES: String(HISTORY_MESSAGES),
    JWT_KEY: accessKey.bytes.toString('base64'),
  };
}

async function migrateAndFill(root, url, dataset) {
  const { migrate } = await importDist('src/platform/database/migrate.js', root);
  await migrate(url);
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
        JWT_SECRET: jwtSecret,
        PASSWORD_PEPPER: passwordPepper,
        MASTER_KEYS: masterKeys,
      };
      const nodeArgs = ['--enable-source-maps', ...context.nodeArgs];
      return harness.startServer(name, resolve(root, 'dist/src/main.js'), { env, nodeArgs });
    },
  };
}

/** Another checkout of Parley, built, for a comparison in the same run. */
export function otherParley(directory) {
  const root = resolve(directory);
  return parley(root, `parley in ${basename(root)}`);
}

/** The limit: see peers/raw.mjs. */
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

/** Decorators need a compiler: turns the TypeScript of a peer into JavaScript and returns its main file. */
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
