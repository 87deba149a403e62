import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SETTINGS_GROUPS } from '../../src/app-config.js';
import { configTable, withConfigTable } from '../../src/cli/config-table.js';
import { variablesOf } from '../../src/platform/config/variable.decorator.js';
import { parseEvents, textOf } from '../support/read-events.js';
import { createTestApp, type TestApp } from '../support/test-app.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SKIPPED = new Set(['node_modules', 'dist', 'coverage', '.git', '.data', '.generated', '.peers', 'results']);
/** Files that a person makes, so they are not there. */
const MADE_LATER = new Set([
  '.env',
  'docker/.env',
  'parley.dump',
  'sbom.cdx.json',
  'test/attack/results',
  'parley.d.ts',
]);

const files = listFiles(ROOT);
const documents = files.filter((file) => file.endsWith('.md'));
const packageJson = JSON.parse(read('package.json')) as Record<
  'scripts' | 'dependencies' | 'optionalDependencies' | 'devDependencies',
  Record<string, string>
>;

describe.each(documents)('%s', (document) => {
  const text = read(document);

  it('links to places that exist', () => {
    const links = [...withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string);
    const broken = links.filter((link) => !/^(https?|mailto):/.test(link)).filter((link) => !isPlace(document, link));
    expect(broken).toEqual([]);
  });

  it('names files that exist', () => {
    const named = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code as string).filter(looksLikeFile);
    expect(named.filter((name) => !isFile(name))).toEqual([]);
  });

  it('names npm scripts that exist', () => {
    const used = [...text.matchAll(/npm run ([a-z:]+)/g)].map(([, script]) => script as string);
    expect(used.filter((script) => !(script in packageJson.scripts))).toEqual([]);
  });

  it('names tests that exist', () => {
    const named = [...text.matchAll(/`(test\/[^`]+\.ts)`: “([^”]+)”/g)];
    const missing = named.filter(([, file, title]) => !read(file as string).includes(title as string));
    expect(missing.map(([whole]) => whole)).toEqual([]);
  });

  it("names no path of the author's machine", () => {
    expect(text).not.toMatch(/(?<![\w.-])\/(work|home|root|Users|mnt)\/|file:\/\//);
  });
});

describe('docs/configuration.md', () => {
  it('has every variable as it is declared', () => {
    const text = read('docs/configuration.md');
    for (const { name } of SETTINGS_GROUPS.flatMap((group) => variablesOf(group))) {
      expect(configTable()).toContain(`| \`${name}\` |`);
    }
    // `npm run config:table` writes it anew.
    expect(withConfigTable(text)).toBe(text);
  });
});

describe('docs/dependencies.md', () => {
  it('explains every package of package.json', () => {
    const text = read('docs/dependencies.md');
    const { dependencies, optionalDependencies, devDependencies } = packageJson;
    const names = Object.keys({ ...dependencies, ...optionalDependencies, ...devDependencies });
    expect(names.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
  });
});

describe('the decision records', () => {
  it('are listed, with one number each and their three parts', () => {
    const folder = join('docs', 'adr');
    const records = readdirSync(join(ROOT, folder))
      .filter((name) => name !== 'README.md')
      .sort();
    expect(new Set(records.map((name) => name.slice(0, 4))).size).toBe(records.length);
    for (const name of records) {
      expect(name).toMatch(/^\d{4}-[a-z0-9-]+\.md$/);
      const text = read(join(folder, name));
      for (const part of ['Background', 'Decision', 'Consequence']) expect(text).toContain(`\n## ${part}\n`);
      expect(read(join(folder, 'README.md'))).toContain(`](${name})`);
    }
  });
});

describe("the README's tour", () => {
  let t: TestApp;
  let dir: string;

  beforeAll(async () => {
    t = await createTestApp();
    await t.app.listen(0, '127.0.0.1');
    dir = mkdtempSync(join(tmpdir(), 'parley-readme-'));
    writeFileSync(join(dir, 'curl'), CURL, { mode: 0o755 });
  });
  afterAll(async () => {
    await t.close();
    rmSync(dir, { recursive: true, force: true });
  });

  // A machine for tests may have no curl; ours knows just what the block uses.
  it.each([hasCurl() ? 'curl' : 'our own curl', 'our own curl'])('runs as printed, by %s', async (program) => {
    const tour = /## A five-minute tour\n([^]*?)\n## /.exec(read('README.md'))?.[1] ?? '';
    const steps = [...tour.matchAll(/```sh\n([^]*?)```/g)].map(([, step]) => step as string);
    const script = steps.join(`printf '${BETWEEN_STEPS}'\n`).replace('http://localhost:8000', await t.app.getUrl());
    expect(script).not.toContain('localhost:8000');
    const path = program === 'curl' ? process.env.PATH : `${dir}${delimiter}${process.env.PATH}`;
    // Two runs may fall into one second, which is in the address.
    const isolated = script.replace('me-$', `${program === 'curl' ? 'a' : 'b'}-$`);
    const { stdout, stderr } = await promisify(execFile)('/bin/sh', ['-eu', '-c', isolated], {
      env: { PATH: path },
      timeout: 15_000,
    });
    expect(stderr).toBe('');
    const [account, prompt, answer, stream, messages, ...more] = stdout.split(BETWEEN_STEPS);
    expect([account, more]).toEqual(['', []]);
    expect(JSON.parse(prompt as string)).toMatchObject({
      content: expect.stringContaining('friendly guide') as string,
    });
    expect(JSON.parse(answer as string)).toMatchObject({
      assistant_message: { status: 'completed', content: 'You said: What should I see in Lisbon?' },
    });
    const received = parseEvents(stream as string);
    expect(received.at(0)?.event).toBe('turn.started');
    expect(received.at(-1)?.event).toBe('turn.completed');
    expect(textOf(received)).toBe('You said: And what should I eat there?');
    expect((JSON.parse(messages as string) as { data: unknown[] }).data).toHaveLength(4);
    expect(t.model.requests.at(-1)?.messages[0]).toMatchObject({ role: 'system' });
  });
});

/** A line that no step prints; it tells the output of one step from that of the next. */
const BETWEEN_STEPS = '=next step=';

function hasCurl(): boolean {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const CURL = `#!${process.execPath}
const { argv } = process;
const [url, headers] = [argv.find((arg) => arg.startsWith('http')), {}];
let body;
for (let i = 2; i < argv.length; i++) {
  if (argv[i] === '-H') headers[argv[i + 1].split(':')[0]] = argv[++i].split(':').slice(1).join(':').trim();
  else if (argv[i] === '-d') body = argv[++i];
  else if (argv[i] !== url && !/^-[sN]+$/.test(argv[i])) throw new Error('not known here: ' + argv[i]);
}
fetch(url, { method: body === undefined ? 'GET' : 'POST', headers, body })
  .then((answer) => answer.text())
  .then((text) => process.stdout.write(text));
`;

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (SKIPPED.has(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [relative(ROOT, path).replaceAll('\\', '/')];
  });
}

function withoutCode(text: string): string {
  return text.replaceAll(/```[^]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');
}

/** A path into one of our folders, or a bare name that ends like one of our files. Addresses, globs and gaps are neither. */
function looksLikeFile(code: string): boolean {
  if (/[\s*<>{}…]/.test(code) || code.startsWith('/') || code.includes('://')) return false;
  if (/^x\./.test(code)) return false;
  return (
    /^(src|test|migrations|docker|docs|bench|\.ci)\//.test(code) || /^[\w.-]+\.(ts|mjs|json|md|yaml|conf)$/.test(code)
  );
}

function isFile(name: string): boolean {
  if (MADE_LATER.has(name)) return true;
  const path = name.replace(/\/$/, '');
  if (path.includes('/')) return existsSync(join(ROOT, path));
  return files.some((file) => basename(file) === path);
}

function isPlace(document: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? join(ROOT, document) : resolve(ROOT, dirname(document), path);
  if (!existsSync(target)) return false;
  if (anchor === undefined || statSync(target).isDirectory()) return true;
  const headings = [...readFileSync(target, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    slug(heading as string),
  );
  return headings.includes(anchor);
}

/** The anchor that GitHub gives a heading. */
function slug(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');
}
