import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDERS = ['src', 'migrations'];
const LOCK = /pg_(try_)?advisory_(xact_)?lock(_shared)?\(/;

interface Lock {
  readonly file: string;
  /** The number, or null for a lock whose key is the hash of a text. */
  readonly number: number | null;
}

/** Every advisory lock that the code takes. PostgreSQL has one space of numbers for all programs in one database. */
function locksOf(file: string, text: string): Lock[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const constants = new Map<string, number>();
  const locks: Lock[] = [];
  // The numbers that are given to named parameters, by the names of these.
  const given = new Map<string, number>();
  const named: [sql: string, index: number][] = [];
  const read = (node: ts.Expression | undefined): number => {
    if (node !== undefined && ts.isNumericLiteral(node)) return Number(node.text);
    if (node !== undefined && ts.isIdentifier(node)) return constants.get(node.text) ?? Number.NaN;
    return Number.NaN;
  };
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name))
      constants.set(node.name.text, read(node.initializer));
    if (ts.isPropertyAssignment(node) && constants.has(node.initializer.getText(source)))
      given.set(node.name.getText(source), read(node.initializer));
    if (ts.isCallExpression(node)) {
      const sql = node.arguments.find((argument) => ts.isStringLiteralLike(argument) && LOCK.test(argument.text));
      if (sql !== undefined) {
        const isHashed = /lock(_shared)?\(hashtextextended\(/.test(sql.getText(source));
        const values = node.arguments.find((argument) => ts.isArrayLiteralExpression(argument));
        if (values === undefined) named.push([sql.getText(source), locks.length]);
        locks.push({ file, number: isHashed ? null : read(values?.elements[0]) });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  for (const [sql, index] of named) {
    const name = /lock(?:_shared)?\(:(\w+)\)/.exec(sql)?.[1];
    if (name !== undefined) locks[index] = { file, number: given.get(name) ?? Number.NaN };
  }
  return locks;
}

const files = FOLDERS.flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.spec.ts')),
).map((file) => [file, readFileSync(join(ROOT, file), 'utf8')] as const);
const locks = files.flatMap(([file, text]) => locksOf(file, text));

/** Numbers that more than one file uses. */
function sharedNumbers(all: readonly Lock[]): number[] {
  const numbers = new Set(all.flatMap(({ number }) => number ?? []));
  return [...numbers].filter(
    (number) => new Set(all.filter((lock) => lock.number === number).map(({ file }) => file)).size > 1,
  );
}

describe('an advisory lock', () => {
  it('is found in every file that takes one', () => {
    const taking = files.filter(([, text]) => LOCK.test(text)).map(([file]) => file);
    expect(taking.length).toBeGreaterThan(3);
    expect([...new Set(locks.map(({ file }) => file))].sort()).toEqual(taking.sort());
    expect(locks.filter(({ number }) => Number.isNaN(number))).toEqual([]);
  });

  it('has a number that no other lock has', () => {
    expect(sharedNumbers(locks)).toEqual([]);
  });

  it('with the number of another lock would be found', () => {
    const taking = (file: string, number: string): Lock[] =>
      locksOf(file, `const LOCK = ${number}; void client.query('select pg_advisory_lock($1)', [LOCK]);`);
    expect(sharedNumbers([...taking('a.ts', '7_000'), ...taking('b.ts', '7000')])).toEqual([7000]);
    expect(sharedNumbers([...taking('a.ts', '7_000'), ...taking('b.ts', '7001')])).toEqual([]);
  });
});
