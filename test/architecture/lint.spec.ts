import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Ways around the unit of work. */
const BREACHES: Record<string, string> = {
  'an injected repository': `import { InjectRepository } from '@nestjs/typeorm'; export const x = InjectRepository;`,
  'an injected data source': `import { InjectDataSource } from '@nestjs/typeorm'; export const x = InjectDataSource;`,
  'an injected entity manager': `import { InjectEntityManager } from '@nestjs/typeorm'; export const x = InjectEntityManager;`,
  'the token of a repository': `import { getRepositoryToken } from '@nestjs/typeorm'; export const x = getRepositoryToken;`,
  'a repository by the text of its token': `import { Inject } from '@nestjs/common'; export const x = Inject('UserRepository');`,
  'the class of the data source': `import { DataSource } from 'typeorm'; export class X { constructor(readonly y: DataSource) {} }`,
  'the class of the entity manager': `import { EntityManager } from 'typeorm'; export class X { constructor(readonly y: EntityManager) {} }`,
  'all of TypeORM': `import * as typeorm from 'typeorm'; export const x = typeorm.DataSource;`,
};
const RULES = ['no-restricted-imports', 'no-restricted-syntax'];

/** Lints each text as if it were in `file`, and gives the rules that it breaks. ESLint runs outside of Jest, as in lint. */
async function brokenRules(file: string, texts: readonly string[]): Promise<string[][]> {
  const program = `
    import { ESLint } from 'eslint';
    const [file, ...texts] = JSON.parse(process.argv[1]);
    const overrideConfig = { languageOptions: { parserOptions: { project: null } } };
    const eslint = new ESLint({ overrideConfig, ruleFilter: ({ ruleId }) => ['no-restricted-imports', 'no-restricted-syntax'].includes(ruleId) });
    const found = [];
    for (const text of texts) found.push((await eslint.lintText(text, { filePath: file }))[0].messages.map((m) => m.ruleId ?? m.message));
    console.log(JSON.stringify(found));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program, JSON.stringify([file, ...texts])],
    { cwd: ROOT },
  );
  return JSON.parse(stdout) as string[][];
}

describe('lint', () => {
  it('forbids every way to a repository except the unit of work, outside of platform/database', async () => {
    const broken = await brokenRules('src/modules/users/users.repository.ts', Object.values(BREACHES));
    const unseen = Object.keys(BREACHES).filter((_, i) => broken[i]?.some((rule) => RULES.includes(rule)) !== true);
    expect(unseen).toEqual([]);
  }, 90_000);

  it('allows the imports of repositories and modules', async () => {
    const allowed = `
      import { Inject } from '@nestjs/common';
      import { TypeOrmModule } from '@nestjs/typeorm';
      import { IsNull } from 'typeorm';
      export const x = [Inject('OTHER'), TypeOrmModule, IsNull];`;
    expect(await brokenRules('src/modules/users/users.module.ts', [allowed])).toEqual([[]]);
    const [doors] = await brokenRules('src/platform/database/unit-of-work.ts', [
      BREACHES['the class of the data source'] as string,
    ]);
    expect(doors).toEqual([]);
  }, 90_000);
});
