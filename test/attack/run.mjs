/**
 * Every attack of the list on a real server: one table, and the exit code is 1 when a single try was accepted.
 *
 *   npm run attack
 *   npm run attack -- --only tenant-walk --only ssrf
 *   npm run attack -- --share 0.1 --seed 7       (the short form: of what comes in thousands a tenth, by the seed)
 *   npm run attack -- --break forged-tokens      (takes the defence away: must end red)
 *   npm run attack -- --break all                (each in turn; fails when one attack does not notice)
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { Rng } from '../chaos/rng.mjs';
import { ATTACKS } from './attacks.mjs';
import { MUTANTS } from './mutants.mjs';
import { Report } from './report.mjs';
import { ROOT, Target } from './target.mjs';

const EXAMPLES = 5;
/** Far beyond what any attack takes: then it hangs, and that is no refusal. */
const ATTACK_LIMIT_MS = 240_000;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    share: { type: 'string', default: '1' },
    only: { type: 'string', multiple: true, default: [] },
    break: { type: 'string' },
    out: { type: 'string', default: join(ROOT, 'test/attack/results') },
  },
});
const print = (line) => process.stdout.write(`${line}\n`);
const known = Object.keys(ATTACKS);
const asked = [...values.only, ...(values.break === undefined || values.break === 'all' ? [] : [values.break])];
const unknown = asked.find((name) => !known.includes(name));
if (unknown !== undefined) {
  process.stderr.write(`there is no attack ${unknown}; there are: ${known.join(', ')}\n`);
  process.exit(2);
}

let target;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.once(signal, () => void Promise.resolve(target?.close()).finally(() => process.exit(130)));
}

const startedAt = Date.now();
const only = values.only.length === 0 ? known : known.filter((name) => values.only.includes(name));
const rows =
  values.break === undefined ? await attackWith(only) : await breakEach(values.break === 'all' ? only : [values.break]);
show(rows);
const isHeld = rows.every(({ verdict }) => verdict === 'refused' || verdict === 'noticed');
const seconds = Math.round((Date.now() - startedAt) / 1000);
print(
  isHeld && values.break === undefined
    ? `nothing was accepted, in ${seconds} s`
    : `${isHeld ? 'as it should be' : 'RED'}, in ${seconds} s`,
);
write(rows, seconds);
process.exitCode = isHeld ? 0 : 1;

/** One server, all attacks on it. */
async function attackWith(names, mutant) {
  target = new Target();
  try {
    await target.open(async (program) => mutant?.program?.(program));
    if (mutant?.database !== undefined) await target.query(mutant.database);
    const rows = [];
    for (const name of names) rows.push(await attack(name));
    return rows;
  } finally {
    await target.close();
  }
}

async function attack(name) {
  const report = new Report();
  const from = Date.now();
  let failure;
  let timer;
  try {
    const late = new Promise(
      (_, fail) => (timer = setTimeout(() => fail(new Error('took too long')), ATTACK_LIMIT_MS)),
    );
    await Promise.race([ATTACKS[name]({ target, report, some: sampler(name) }), late]);
  } catch (error) {
    failure = error.stack;
  } finally {
    clearTimeout(timer);
  }
  const { tries, accepted } = report;
  // An attack that tries nothing refuses nothing.
  const verdict = failure !== undefined || tries === 0 ? 'failed' : accepted.length === 0 ? 'refused' : 'ACCEPTED';
  return { name, tries, accepted, verdict, failure, seconds: Math.round((Date.now() - from) / 1000) };
}

/** A share of a long list, at least one, the same for the same seed. */
function sampler(name) {
  const rng = new Rng(values.seed, name);
  const share = Number(values.share);
  return (items) => {
    if (share >= 1 || items.length === 0) return items;
    const chosen = items.filter(() => rng.chance(share));
    return chosen.length > 0 ? chosen : [rng.pick(items)];
  };
}

/** Each attack on a server that has lost what it is refused by: it must be seen. */
async function breakEach(names) {
  const rows = [];
  for (const name of names) {
    const [row] = await attackWith([name], MUTANTS[name]);
    const isNoticed = row.accepted.length > 0;
    if (isNoticed) print(`${name}, without ${MUTANTS[name].without}: ${row.accepted[0].slice(0, 160)}`);
    rows.push({ ...row, verdict: isNoticed ? 'noticed' : 'MISSED' });
  }
  return rows;
}

function show(rows) {
  const cells = rows.map(({ name, tries, accepted, seconds: took, verdict }) => [
    name,
    String(tries),
    String(accepted.length),
    `${took} s`,
    verdict,
  ]);
  const all = [['attack', 'tries', 'accepted', 'took', 'verdict'], ...cells];
  const sum = (of) => String(rows.reduce((total, row) => total + of(row), 0));
  all.push(['all', sum(({ tries }) => tries), sum(({ accepted }) => accepted.length), '', '']);
  const widths = all[0].map((_, column) => Math.max(...all.map((row) => row[column].length)));
  print('');
  for (const row of all)
    print(
      row
        .map((cell, i) => (i % 4 === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
        .join('  ')
        .trimEnd(),
    );
  print('');
  if (values.break !== undefined) return;
  for (const { name, accepted, failure } of rows) {
    for (const example of accepted.slice(0, EXAMPLES)) print(`ACCEPTED ${name}: ${example}`);
    if (accepted.length > EXAMPLES) print(`ACCEPTED ${name}: and ${accepted.length - EXAMPLES} more`);
    if (failure !== undefined) print(`FAILED ${name}: ${failure}`);
  }
}

function write(rows, seconds) {
  const git = (...args) => {
    try {
      return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    } catch {
      return null;
    }
  };
  const result = {
    commit: git('rev-parse', 'HEAD'),
    hasLocalChanges: git('status', '--porcelain', '--', 'src', 'migrations', 'package.json') !== '',
    at: new Date().toISOString(),
    node: process.version,
    seed: values.seed,
    share: Number(values.share),
    ...(values.break === undefined ? {} : { break: values.break }),
    seconds,
    attacks: rows,
  };
  mkdirSync(values.out, { recursive: true });
  const name = ['attack', values.break].filter((part) => part !== undefined).join('-');
  writeFileSync(join(values.out, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}
