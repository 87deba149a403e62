import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { cruise, type IConfiguration, type ICruiseResult, type IFlattenedRuleSet } from 'dependency-cruiser';

const { default: floorPlan, ROOMS_OF_CHAT } = (await import(
  new URL('../../.dependency-cruiser.mjs', import.meta.url).href
)) as { default: IConfiguration; ROOMS_OF_CHAT: string[] };

type Files = Record<string, string>;

/** A house in small, in which every rule holds. */
const HOUSE: Files = {
  'package.json': JSON.stringify({
    type: 'module',
    dependencies: { typeorm: '1', '@nestjs/typeorm': '1', pg: '8', 'prom-client': '15' },
    devDependencies: { 'dev-tool': '1' },
  }),
  'tsconfig.json': '{ "compilerOptions": { "module": "nodenext", "target": "es2022" } }',
  ...packageFiles('typeorm'),
  ...packageFiles('@nestjs/typeorm'),
  ...packageFiles('pg'),
  ...packageFiles('prom-client'),
  ...packageFiles('dev-tool'),
  'migrations/1-init.ts': `import 'typeorm'; export class Init {}`,
  'src/main.ts': `import './app.module.js';`,
  'src/app.module.ts': `import './modules/chat/chat.module.js'; import './modules/users/users.module.js';`,
  'src/kernel/ids.ts': `import 'node:crypto'; export const id = 1;`,
  'src/platform/database/data-source.ts': `import 'typeorm'; import 'pg'; import '@nestjs/typeorm'; export const dataSource = 1;`,
  'src/platform/database/system-scope.ts': `import './data-source.js'; export const systemScope = 1;`,
  'src/modules/users/users.module.ts': `import '@nestjs/typeorm'; import './users.controller.js'; export class UsersModule {}`,
  'src/modules/users/users.controller.ts': `import './users.service.js'; import type { User } from './user.entity.js'; export type Shown = User;`,
  'src/modules/users/users.service.ts': `import './users.repository.js'; import '../../kernel/ids.js';`,
  'src/modules/users/users.repository.ts': `import 'typeorm'; import './user.entity.js'; import '../../platform/database/system-scope.js';`,
  'src/modules/users/user.entity.ts': `import 'typeorm'; export class User {}`,
  'src/modules/projects/projects.module.ts': `import './projects.service.js';`,
  'src/modules/projects/projects.service.ts': `export const projectsService = 1;`,
  'src/modules/projects/public/project-access.ts': `import '../projects.service.js';`,
  'src/modules/chat/chat.module.ts': `import '../projects/projects.module.js'; import './turns/chat.service.js';`,
  'src/modules/chat/turns/chat.service.ts': `import '../../projects/public/project-access.js'; import '../storage/store.js'; export const chatService = 1;`,
  'src/modules/chat/storage/store.ts': `import type { Turn } from '../turn.js'; export type Stored = Turn;`,
  'src/modules/chat/turn.ts': `export interface Turn {}`,
};

function packageFiles(name: string): Files {
  return {
    [`node_modules/${name}/package.json`]: JSON.stringify({ name, version: '1.0.0', main: 'index.js' }),
    [`node_modules/${name}/index.js`]: '',
  };
}

/** What breaks each rule: files that are added to the house, or stand in for those of the same name. */
const BREACHES: Record<string, Files> = {
  'kernel-is-pure': { 'src/kernel/ids.ts': `import 'pg-types';`, ...packageFiles('pg-types') },
  'platform-knows-no-feature': {
    'src/platform/database/data-source.ts': `import '../../modules/projects/projects.module.js'; import 'typeorm';`,
  },
  'nothing-imports-the-roof': {
    'src/modules/chat/turns/chat.service.ts': `import '../../../node-version.js';`,
    'src/node-version.ts': '',
  },
  'no-cycles': { 'src/modules/projects/projects.service.ts': `import './projects.module.js';` },
  ...Object.fromEntries(
    [
      'users',
      'limits',
      'llm',
      'usage',
      'auth',
      'projects',
      'privacy',
      'prompts',
      'provider-keys',
      'admin',
      'openai-api',
    ].map((module) => [
      `imports-of-${module}`,
      {
        'src/main.ts': `${HOUSE['src/main.ts']} import './modules/${module}/${module}.module.js';`,
        [`src/modules/${module}/${module}.module.ts`]: `import '../auth2/public/x.js'; export class M {}`.replace(
          'auth2',
          module === 'openai-api' || module === 'auth' ? 'prompts' : 'chat',
        ),
        'src/modules/prompts/public/x.ts': '',
        'src/modules/chat/public/x.ts': '',
      },
    ]),
  ),
  'imports-of-chat': {
    'src/modules/chat/turns/chat.service.ts': `import type { User } from '../../users/public/user.dto.js';`,
    'src/modules/users/public/user.dto.ts': `export class User {}`,
  },
  'every-module-is-in-the-table': {
    'src/app.module.ts': `${HOUSE['src/app.module.ts']} import './modules/billing/billing.module.js';`,
    'src/modules/billing/billing.module.ts': `import '../../kernel/ids.js';`,
  },
  'modules-by-front-door': { 'src/modules/chat/turns/chat.service.ts': `import '../../projects/projects.service.js';` },
  'roof-by-front-door': { 'src/main.ts': `${HOUSE['src/main.ts']} import './modules/chat/turns/chat.service.js';` },
  ...Object.fromEntries(
    ROOMS_OF_CHAT.map((room, i) => [
      `chat-${room}-looks-down`,
      {
        [`src/modules/chat/${room}/low.ts`]: `import '../${ROOMS_OF_CHAT[i - 1] ?? '.'}/${i === 0 ? 'chat.module' : 'high'}.js';`,
        [`src/modules/chat/${ROOMS_OF_CHAT[i - 1] ?? room}/high.ts`]: '',
      },
    ]),
  ),
  'chat-words-use-no-room': { 'src/modules/chat/turn.ts': `import './storage/store.js'; export interface Turn {}` },
  'chat-has-these-rooms': {
    'src/modules/chat/turns/chat.service.ts': `import '../replies/reply.js';`,
    'src/modules/chat/replies/reply.ts': '',
  },
  'typeorm-in-its-place': { 'src/modules/chat/turns/chat.service.ts': `import type {} from 'typeorm';` },
  'nest-typeorm-in-its-place': {
    'src/modules/users/users.repository.ts': `import { InjectRepository } from '@nestjs/typeorm'; import 'typeorm';`,
  },
  'prom-client-in-its-place': { 'src/modules/chat/turns/chat.service.ts': `import 'prom-client';` },
  'pg-in-its-place': { 'src/modules/chat/turns/chat.service.ts': `import 'pg';` },
  'controllers-touch-no-data': {
    'src/modules/users/users.controller.ts': `import './users.service.js'; import { User } from './user.entity.js'; export const shown = new User();`,
  },
  'controllers-know-no-repository': {
    'src/modules/users/users.controller.ts': `import type {} from './users.repository.js';`,
  },
  'system-scope-is-rare': {
    'src/modules/chat/turns/chat.service.ts': `import '../../../platform/database/system-scope.js';`,
  },
  'migrations-stand-alone': { 'migrations/1-init.ts': `import '../src/kernel/ids.js';` },
  'migrations-are-found-by-folder': {
    'src/modules/chat/turns/chat.service.ts': `import '../../../../migrations/1-init.js';`,
  },
  'no-barrels': {
    'src/modules/chat/turns/chat.service.ts': `import '../context/index.js';`,
    'src/modules/chat/context/index.ts': '',
  },
  'no-unused-files': { 'src/modules/chat/turns/forgotten.ts': `import './chat.service.js';` },
  'no-tests-in-the-product': {
    'src/kernel/ids.ts': `import '../../test/support/fixture.js';`,
    'test/support/fixture.ts': '',
  },
  'no-dev-dependencies': { 'src/modules/chat/turns/chat.service.ts': `import 'dev-tool';` },
  'no-dangling-imports': { 'src/modules/chat/turns/chat.service.ts': `import './nowhere.js';` },
};

async function brokenRules(files: Files): Promise<string[]> {
  const dir = mkdtempSync(join(process.env.PARLEY_TEST_DIR as string, 'house-'));
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    const { options, ...ruleSet } = floorPlan;
    const { output } = await cruise(['src', 'migrations'], {
      ...options,
      baseDir: dir,
      validate: true,
      ruleSet: ruleSet as IFlattenedRuleSet,
    });
    return [...new Set((output as ICruiseResult).summary.violations.map(({ rule }) => rule.name))].sort();
  } finally {
    rmSync(dir, { recursive: true });
  }
}

describe('the dependency rules', () => {
  it('pass when the code follows them', async () => {
    expect(await brokenRules(HOUSE)).toEqual([]);
  });

  it('have an example of a breach for every rule', () => {
    expect(Object.keys(BREACHES).sort()).toEqual(floorPlan.forbidden?.map(({ name }) => name).sort());
  });

  it.each(Object.keys(BREACHES))('catch a breach of %s', async (name) => {
    expect(await brokenRules({ ...HOUSE, ...BREACHES[name] })).toContain(name);
  });
});
