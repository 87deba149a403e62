import process from 'node:process';
import { readdirSync, readFileSync } from 'node:fs';
import { PROBES } from './probes.js';
import { type Finding, oneLine, type Probe, type SqlMutant, Twins } from './twins.js';

const SNAPSHOTS = new URL('../architecture/snapshots/', import.meta.url);

/**
 * All statements with an owner predicate. The snapshots contain every statement that a repository can send, which
 * another test checks. Statements of the system role are left out, because they read across users on purpose.
 */
function statementsOfTenants(): string[] {
  const files = readdirSync(SNAPSHOTS).map((file) => readFileSync(new URL(file, SNAPSHOTS), 'utf8'));
  const methods = files.flatMap((text) => text.split(/^-- .*$/m)).filter((text) => !text.includes('parley_system'));
  const statements = methods.flatMap((text) => text.split(/;\n/)).map(oneLine);
  return [...new Set(statements)].filter((statement) => predicatesOf(statement).length > 0);
}

interface Predicate {
  readonly start: number;
  readonly end: number;
  /** The replacement of a dropped predicate. It still uses the parameter, so PostgreSQL knows its type. */
  readonly dropped: string;
}

/** `user_id = …` of any table, and the `id = …` of users. */
function predicatesOf(statement: string): Predicate[] {
  const column = /\b(from|into|update) "?users"?\b/i.test(statement) ? '"?(?:user_id|id)"?' : '"?user_id"?';
  const predicate = new RegExp(`(?:"\\w+"\\.|\\b\\w+\\.|(?<![\\w."]))${column} = (\\$\\d+|\\w+\\.user_id)`, 'g');
  return [...statement.matchAll(predicate)].map(({ index, 0: found, 1: value = '' }) => ({
    start: index,
    end: index + found.length,
    dropped: value.startsWith('$') ? `(${value}::uuid is not null)` : 'true',
  }));
}

function without(statement: string, predicates: readonly Predicate[]): SqlMutant {
  const changed = predicates.reduceRight(
    (text, { start, end, dropped }) => text.slice(0, start) + dropped + text.slice(end),
    statement,
  );
  return { statement, changed };
}

/** All mutants take minutes, so a plain `npm test` runs a sample. */
const ALL = process.env.MUTANTS === 'all';

/** A lock reveals nothing of a row, and the statements after it have owner predicates of their own. */
const ONLY_LOCKS = /^select (id )?from \w+ where .* for update$/;

/** How many probes per statement are run by a twin that lacks some of its rows. */
const [MANY, FEW] = [8, 4];

/** The length of a parameter list depends on the request. */
const shape = (statement: string): string =>
  statement.replace(/ IN \([^)]*\)/g, ' IN (…)').replace(/ LIMIT \d+$/, ' LIMIT n');

describe('a twin, with the same rows under the same ids, and with every policy open', () => {
  let twins: Twins;
  const baseline = new Map<string, Finding>();
  /** Which probes send a statement. */
  const sentBy = new Map<string, Probe[]>();

  beforeAll(async () => {
    twins = await Twins.start();
  });
  afterAll(() => twins.close());

  /** The finding of a probe without a mutant. */
  async function usual(probe: Probe, lacking: string | null): Promise<Finding> {
    const key = `${probe.name} ${PROBES.indexOf(probe)} ${lacking}`;
    const known = baseline.get(key) ?? (await twins.ask(probe, null, lacking));
    baseline.set(key, known);
    return known;
  }

  /** The name of the first probe whose finding changes with a mutant. */
  async function killer(mutant: SqlMutant): Promise<string | null> {
    const probes = sentBy.get(mutant.statement) ?? [];
    const tables = [...mutant.statement.matchAll(/(?:from|join|update|into) "?([a-z_]+)"?/gi)].map(
      ([, name]) => name as string,
    );
    for (const lacking of [null, ...new Set(tables)]) {
      for (const probe of probes.slice(0, lacking === null ? MANY : FEW)) {
        const expected = await usual(probe, lacking);
        const found = await twins.ask(probe, mutant, lacking);
        if (JSON.stringify(found) !== JSON.stringify(expected)) return probe.name;
      }
    }
    return null;
  }

  it.each(PROBES.map((probe, i) => [i, probe.name, probe] as const))(
    'neither sees nor harms the other by probe %i, %s',
    async (_i, _name, probe) => {
      const found = await usual(probe, null);
      for (const statement of twins.sent) sentBy.set(statement, [...(sentBy.get(statement) ?? []), probe]);
      expect(found).toMatchObject({ leaks: false, harms: false });
      expect(found.status).not.toBe(500);
    },
  );

  it('reaches the other as soon as a statement loses its owner predicates', async () => {
    const statements = [...sentBy.keys()].filter(
      (statement) => predicatesOf(statement).length > 0 && !ONLY_LOCKS.test(statement),
    );
    expect(statements.length).toBeGreaterThan(40);
    const survivors: string[] = [];
    for (const statement of ALL ? statements : statements.filter((_, i) => i % 6 === 0)) {
      if ((await killer(without(statement, predicatesOf(statement)))) === null) survivors.push(statement);
    }
    expect(survivors).toEqual([]);
  }, 300_000);

  // A new statement needs a probe that sends it, unless a route already does. One predicate of a statement may make
  // another one redundant. That is no gap, because the test above drops them together. This test takes minutes, so only
  // `npm run mutants` runs it.
  if (ALL) {
    it('makes the application send every one of its statements', () => {
      const sent = new Set([...sentBy.keys()].map(shape));
      const never = statementsOfTenants().filter((statement) => !sent.has(shape(statement)));
      expect(never).toEqual([]);
    });

    it('reaches the other as soon as any single predicate is dropped, unless another one makes it redundant', async () => {
      let killed = 0;
      const masked: string[] = [];
      for (const statement of sentBy.keys()) {
        const predicates = predicatesOf(statement);
        for (const predicate of predicates) {
          const place = `${statement.slice(Math.max(0, predicate.start - 80), predicate.start)}>>> ${statement.slice(predicate.start, predicate.end)} <<<`;
          if ((await killer(without(statement, [predicate]))) !== null) killed += 1;
          else if (predicates.length > 1) masked.push(place);
          else throw new Error(`not noticed: ${place}`);
        }
      }
      process.stderr.write(
        `${killed} predicates are noticed alone, ${masked.length} have another standing in:\n${masked.join('\n')}\n`,
      );
    }, 1_800_000);
  }
});
