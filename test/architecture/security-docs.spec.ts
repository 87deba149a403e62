import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const ASVS = read('docs/asvs.md');
const SECURITY = read('docs/security.md');

/** One line of the table. */
interface Row {
  readonly item: string;
  readonly level: string;
  readonly what: string;
  readonly shown: string;
}

const rows: Row[] = [...ASVS.matchAll(/^\| (\d+\.\d+\.\d+) \| ([12]) \| ([^|]+) \| (.+) \|$/gm)].map(
  ([, item = '', level = '', what = '', shown = '']) => ({ item, level, what, shown }),
);

const REFERENCE = /`((?:test|src)\/[^`]+\.ts)`: “([^”]+)”/g;
const referencesIn = (text: string): (readonly [string, string])[] =>
  [...text.matchAll(REFERENCE)].map(([, file = '', title = '']) => [file, title] as const);

/** What a line says when no test of its own shows the item. Each needs a reason or a place. */
const INSTEAD = /^(Not applicable|Document|Operator|Gap): .{10,}\.?$/;

/** The titles of all tests in a file, as they stand in it. */
function titlesIn(file: string): Set<string> {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, true);
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      // it.each(table)(title, test) is a call of a call.
      const called = ts.isCallExpression(node.expression) ? node.expression.expression : node.expression;
      const [title] = node.arguments;
      if (/^it(\.each)?$/.test(called.getText(source)) && title !== undefined && ts.isStringLiteralLike(title)) {
        titles.add(title.text);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}

/** As GitHub makes them of headings. */
const anchorsOf = (text: string): string[] =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  );

describe('the table of ASVS 5.0', () => {
  const items = read('test/architecture/asvs-5.0.txt')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) => {
      const [section, level = '', ...numbers] = line.split(' ');
      return numbers.map((number) => `${section}.${number} ${level.slice(1)}`);
    });

  it('has every item of levels 1 and 2 exactly once, under its level', () => {
    expect(items).toHaveLength(253);
    expect(rows.map(({ item, level }) => `${item} ${level}`).sort()).toEqual(items.sort());
  });

  it('has no line in a form that these tests would overlook', () => {
    const lines = ASVS.split('\n').filter((line) => /^\|/.test(line) && !/^\|(---| item )/.test(line));
    expect(lines).toHaveLength(rows.length);
  });

  it('names a test for each item, or the reason why there is none', () => {
    const silent = rows.filter(({ shown }) => referencesIn(shown).length === 0 && !INSTEAD.test(shown));
    expect(silent.map(({ item }) => item)).toEqual([]);
  });

  it('links to a place for each item that asks for a document', () => {
    const documented = rows.filter(({ shown }) => shown.startsWith('Document: '));
    expect(documented.length).toBeGreaterThan(10);
    for (const { item, shown } of documented)
      expect({ item, shown }).toEqual({ item, shown: expect.stringContaining('](') as string });
    const anchors = [...ASVS.matchAll(/\]\(([\w.-]+\.md)#([^)]+)\)/g)];
    const lost = anchors.filter(([, file, anchor]) => !anchorsOf(read(`docs/${file}`)).includes(anchor as string));
    expect(lost.map(([link]) => link)).toEqual([]);
  });

  it('has the counts that docs/security.md states', () => {
    const count = (word: string): number => rows.filter(({ shown }) => shown.startsWith(`${word}: `)).length;
    const gaps = rows.filter(({ shown }) => shown.includes('Gap: ')).map(({ item }) => item);
    const summary = /(\d+) items: (\d+) do not apply, (\d+) ask for a document, (\d+) are the operator's/.exec(
      SECURITY,
    );
    expect(summary?.slice(1).map(Number)).toEqual([
      rows.length,
      count('Not applicable'),
      count('Document'),
      count('Operator'),
    ]);
    const told = /## What is not fulfilled\n([^]*?)\n## /.exec(SECURITY)?.[1] ?? '';
    expect([...told.matchAll(/^\* \*\*(\d+\.\d+\.\d+)/gm)].map(([, item]) => item).sort()).toEqual(gaps.sort());
  });
});

describe('the API Security Top 10 of 2023', () => {
  it('has ten lines, each with a test', () => {
    const lines = [...SECURITY.matchAll(/^\| (API\d+) \| .+ \| (.+) \|$/gm)];
    expect(lines.map(([, name]) => name)).toEqual(Array.from({ length: 10 }, (_, i) => `API${i + 1}`));
    for (const [, , shown = ''] of lines) expect(referencesIn(shown).length).toBeGreaterThan(0);
  });
});

describe('a test that the security documents name', () => {
  const named = [...new Set(referencesIn(ASVS + SECURITY).map(([file, title]) => `${file}\n${title}`))];

  it('exists under exactly that title', () => {
    expect(named.length).toBeGreaterThan(100);
    const titles = new Map<string, Set<string>>();
    const missing = named.filter((name) => {
      const [file = '', title = ''] = name.split('\n');
      if (!titles.has(file)) titles.set(file, titlesIn(file));
      return titles.get(file)?.has(title) !== true;
    });
    expect(missing).toEqual([]);
  });

  it('is not skipped', () => {
    const files = [
      ...readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).map((name) => `test/${name}`),
    ];
    const skipping = files.filter(
      (file) => /spec\.ts$/.test(file) && /\b(it|describe)\.(skip|only)\(|\bx(it|describe)\(/.test(read(file)),
    );
    expect(skipping.filter((file) => !file.endsWith('security-docs.spec.ts'))).toEqual([]);
  });
});
