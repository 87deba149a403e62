import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { check } from 'recheck';
import ts from 'typescript';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const SOURCES = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .map((name) => `src/${name.replaceAll('\\', '/')}`)
  .filter((name) => /\.(ts|mjs)$/.test(name) && !name.endsWith('.spec.ts'));

/** Expressions that may take the square of the length of a text, and why nobody can choose that text. */
const SLOW: Record<string, string> = {
  'src/cli/stable-json.ts': 'reads the OpenAPI document, which we have written',
  'src/platform/database/statement.ts': 'reads the SQL that we have written',
  'src/start-messages.ts': 'reads what the operator has configured, once, before the server listens',
};

/** Expressions that are made while the server runs. */
const MADE: Record<string, string> = {
  'src/platform/http/route-table.ts': 'of the paths of our own routes, escaped, at the start',
};

/** Who may guess at random, because nothing has to be kept from anybody. */
const SPREADS_IN_TIME = [
  'src/modules/chat/running/turn-keeper.job.ts',
  'src/modules/llm/resilience/with-retry.ts',
  'src/platform/jobs/sweeps.ts',
  'src/platform/mail/mailer.ts',
  'src/platform/redis/redis-options.ts',
  'src/platform/revocations/revocations.job.ts',
];

/** The only files that start programs, all of them for the database of development. */
const STARTS_PROGRAMS = ['src/platform/embedded-postgres/', 'src/cli/own-server.ts'];

interface Found {
  readonly file: string;
  readonly text: string;
}

interface Call extends Found {
  readonly callee: string;
  readonly first: string;
}

const [expressions, calls] = collect(SOURCES.map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]));

/** Every regular expression and every call, of the compiler's own reading. */
function collect(files: readonly (readonly [string, string])[]): [Found[], Call[]] {
  const [literals, called]: [Found[], Call[]] = [[], []];
  for (const [file, text] of files) {
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      if (ts.isRegularExpressionLiteral(node)) literals.push({ file, text: node.text });
      if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
        const first = node.arguments?.[0]?.getText(source) ?? '';
        called.push({ file, text: node.getText(source), callee: node.expression.getText(source), first });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return [literals, called];
}

async function slowOnes(found: readonly Found[]): Promise<Found[]> {
  const texts = [...new Set(found.map(({ text }) => text))];
  const verdicts = await Promise.all(
    texts.map(async (text) => {
      const [, source = '', flags = ''] = /^\/(.*)\/([a-z]*)$/s.exec(text) ?? [];
      return (await check(source, flags, { timeout: 60_000 })).status;
    }),
  );
  return found.filter(({ text }) => verdicts[texts.indexOf(text)] !== 'safe');
}

const filesOf = (found: readonly Found[]): string[] => [...new Set(found.map(({ file }) => file))].sort();
const callsOf = (...names: string[]): Call[] => calls.filter(({ callee }) => names.includes(callee));

describe('a regular expression of the server', () => {
  it('takes linear time for text from outside, or has a documented reason', async () => {
    expect(expressions.length).toBeGreaterThan(50);
    expect(filesOf(await slowOnes(expressions))).toEqual(Object.keys(SLOW).sort());
  }, 120_000);

  it('would be reported if it took longer', async () => {
    const [bad] = collect([['x.ts', 'const a = /^(a+)+$/; const b = text.replace(/[+]+$/, "");']]);
    expect(await slowOnes(bad)).toHaveLength(2);
  }, 60_000);

  it('is never built from input', () => {
    expect(filesOf(callsOf('RegExp'))).toEqual(Object.keys(MADE));
  });
});

describe('the server', () => {
  it('never evaluates text as code', () => {
    expect(callsOf('eval', 'Function', 'vm.runInThisContext', 'runInNewContext', 'runInContext')).toEqual([]);
    expect(calls.filter(({ callee, first }) => /^set(Timeout|Interval)$/.test(callee) && /^['"`]/.test(first))).toEqual(
      [],
    );
  });

  it('starts no shell, and starts programs only for the embedded database', () => {
    const starts = calls.filter(({ callee }) => /^(execSync|spawn|spawnSync|execFile|execFileSync|fork)$/.test(callee));
    expect(starts.length).toBeGreaterThan(0);
    expect(filesOf(starts).filter((file) => !STARTS_PROGRAMS.some((allowed) => file.startsWith(allowed)))).toEqual([]);
    expect(starts.filter(({ text }) => /\bshell\s*:/.test(text))).toEqual([]);
    expect(SOURCES.filter((file) => /import[^;]*\bexec\b[^;]*node:child_process/.test(read(file)))).toEqual([]);
  });

  it('hashes and signs only with SHA-256, and encrypts only with AES-256-GCM', () => {
    const hashes = callsOf('createHash', 'createHmac', 'hkdfSync');
    expect(hashes.length).toBeGreaterThan(10);
    expect(hashes.filter(({ first }) => first !== `'sha256'`)).toEqual([]);
    expect(callsOf('createSign', 'createVerify', 'pbkdf2Sync', 'createCipher', 'createDecipher')).toEqual([]);
    expect(filesOf(callsOf('createCipheriv', 'createDecipheriv'))).toEqual(['src/platform/crypto/aes-gcm.ts']);
    expect(read('src/platform/crypto/aes-gcm.ts')).toContain(`const CIPHER = 'aes-256-gcm';`);
  });

  it('uses Math.random only for delays; secrets come from the system', () => {
    expect(filesOf(callsOf('Math.random')).filter((file) => !SPREADS_IN_TIME.includes(file))).toEqual([]);
  });

  it('never disables the verification of certificates', () => {
    const text = SOURCES.map(read).join('\n');
    expect(text).not.toMatch(/rejectUnauthorized\s*:\s*false|NODE_TLS_REJECT_UNAUTHORIZED|checkServerIdentity\s*:/);
  });

  it('parses no XML and writes no HTML from input', () => {
    expect(
      SOURCES.filter((file) => /from '[^']*(xml|sax|cheerio|handlebars|ejs|pug|mustache|marked)/.test(read(file))),
    ).toEqual([]);
    expect(SOURCES.filter((file) => read(file).includes('text/html'))).toEqual([
      'src/platform/http/errors-page.controller.ts',
    ]);
  });
});

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

describe('the words of the source', () => {
  /** A private method or function that looks a thing up says by its name what comes of it: find, get, findForUpdate. */
  const vagueNames = (text: string): string[] =>
    [...text.matchAll(/^ *(?:private (?:async )?|async function |function )(require|found|ensure)\b/gm)].map(
      ([, name]) => name ?? '',
    );

  it('do not include require, found or ensure as names of private methods and local functions', () => {
    expect(vagueNames('  private async require(id: string) {}\nfunction found() {}')).toEqual(['require', 'found']);
    expect(SOURCES.filter((file) => vagueNames(read(file)).length > 0)).toEqual([]);
  });
});
