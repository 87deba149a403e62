/**
 * Several instances on one PostgreSQL, clients that do everything clients do, and meanwhile everything breaks: instances
 * are killed, the database is stopped, connections are cut and frozen, the model fails. Then every invariant is checked.
 *
 *   npm run chaos -- --seed 7 --minutes 1
 *   npm run chaos -- --seed 7 --minutes 17 --turns 10000 --kills 200 --restarts 20
 *   npm run chaos -- --seed 7 --minutes 1 --redis                  (the fan-out by a Redis, which is killed as well)
 *   npm run chaos -- --seed 7 --minutes 0.5 --break no-takeover    (must end red)
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from './client.mjs';
import { Cluster, ROOT } from './cluster.mjs';
import { Driver } from './driver.mjs';
import { Faults } from './faults.mjs';
import { checkAll, idleTimes, takeovers } from './invariants.mjs';
import { MUTANTS } from './mutants.mjs';
import { KINDS, Upstream } from './upstream.mjs';
import { collect } from './world.mjs';

const QUIET_LIMIT_MS = 30_000;
const EXAMPLES = 3;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '1' },
    instances: { type: 'string', default: '3' },
    clients: { type: 'string', default: '16' },
    turns: { type: 'string', default: '0' },
    kills: { type: 'string' },
    restarts: { type: 'string' },
    cuts: { type: 'string' },
    freezes: { type: 'string' },
    redis: { type: 'boolean', default: false },
    break: { type: 'string' },
    out: { type: 'string', default: join(ROOT, 'test/chaos/results') },
    dump: { type: 'string' },
  },
});
const mutant = values.break === undefined ? null : MUTANTS[values.break];
if (mutant === undefined) {
  process.stderr.write(`--break knows: ${Object.keys(MUTANTS).join(', ')}\n`);
  process.exit(2);
}
const minutes = Number(values.minutes);
const durationMs = minutes * 60_000;
const leastTurns = Number(values.turns);
const print = (line) => process.stdout.write(`${line}\n`);

const plan = {
  kill: Number(values.kills ?? Math.ceil(12 * minutes)),
  restart: Number(values.restarts ?? Math.ceil(1.5 * minutes)),
  roll: Math.max(1, Math.round(minutes / 2)),
  cut: Number(values.cuts ?? Math.ceil(4 * minutes)),
  freeze: Number(values.freezes ?? Math.ceil(3 * minutes)),
  ...(values.redis ? { redis: Math.ceil(3 * minutes) } : {}),
  ...mutant?.plan,
};

const upstream = new Upstream(values.seed);
await upstream.start();
const cluster = new Cluster(upstream.url, Number(values.instances), values.redis);
const client = new Client();
const driver = new Driver({ seed: values.seed, cluster, client, clients: Number(values.clients) });
const faults = new Faults({ seed: values.seed, cluster, upstream, plan, durationMs, log: print });

let isClosing;
const close = () =>
  (isClosing ??= (async () => {
    faults.stop();
    driver.stop();
    await cluster.close();
    await upstream.stop();
  })());
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => void close().finally(() => process.exit(130)));

try {
  process.exitCode = await main();
} finally {
  await close();
}

async function main() {
  await cluster.open(async (program) => {
    mutant?.program?.(program);
    mutant?.also?.(program);
  });
  if (mutant?.database !== undefined) for (const text of mutant.database.split(';')) await cluster.query(text);
  // Every model has a price: each submit asks for one of its own.
  await cluster.query(
    `insert into prices (provider, model, valid_from, input_micro_usd, output_micro_usd, version)
     select 'openai', 'chaos-' || n || '-' || kind, '2020-01-01', 3000000, 7000000, 'chaos'
     from generate_series(1, 5000) n, unnest(string_to_array('${Object.keys(KINDS).join(',')}', ',')) kind`,
  );
  await driver.prepare();
  print(
    `seed ${values.seed}: ${values.instances} instances, ${values.clients} clients, ${minutes} min, ${JSON.stringify(plan)}`,
  );
  const watch = watchReadiness();
  const startedAt = Date.now();
  const driving = driver.run();
  const breaking = faults.run();
  await underLoad(startedAt);
  const loadMs = Date.now() - startedAt;
  faults.stop();
  await breaking;
  driver.stop();
  await driving;
  const quietMs = await quiet();
  watch.stop();
  const world = await collect({ cluster, upstream, client, driver });
  if (values.dump !== undefined) writeFileSync(values.dump, JSON.stringify(world));
  return report(world, { loadMs, quietMs });
}

/** Until the time is over; when a number of turns was asked for, until it and all faults have happened, within three times that. */
async function underLoad(startedAt) {
  let told = startedAt;
  const limitMs = leastTurns > 0 ? 3 * durationMs : durationMs;
  while (Date.now() - startedAt < limitMs) {
    await sleep(200);
    const { kills, restarts } = faults.counts;
    if (Date.now() - told > 30_000) {
      told = Date.now();
      const s = Math.round((told - startedAt) / 1000);
      print(`  ${s} s: ${driver.turns} turns, ${kills} kills, ${restarts} restarts`);
    }
    const isEnough = leastTurns > 0 && driver.turns >= leastTurns;
    if (isEnough && Date.now() - startedAt > durationMs / 2 && kills >= plan.kill && restarts >= plan.restart) return;
  }
}

/** Waits until no turn is left, for a limited time. */
async function quiet() {
  const from = Date.now();
  while (Date.now() - from < QUIET_LIMIT_MS) {
    const [{ left }] = await cluster.query('select count(*)::int as left from turns');
    if (left === 0) break;
    await sleep(250);
  }
  return Date.now() - from;
}

/** Times without any instance are nobody's fault but ours. */
function watchReadiness() {
  let since = null;
  const timer = setInterval(() => {
    if (cluster.ready.length === 0) since ??= Date.now();
    else if (since !== null) {
      cluster.outages.push({ kind: 'nobody', process: null, from: since, to: Date.now(), allowMs: 1500 });
      since = null;
    }
  }, 25);
  return { stop: () => clearInterval(timer) };
}

function report(world, { loadMs, quietMs }) {
  const violations = checkAll(world);
  const count = (...names) => names.reduce((sum, name) => sum + violations[name].length, 0);
  const taken = takeovers(world);
  const clean = taken.filter(({ isDisturbed }) => !isDisturbed).map(({ ms }) => ms);
  const idle = idleTimes(world).map(({ idleMs }) => idleMs);
  const boots = world.starts.map(({ tookMs }) => tookMs);
  const followers = world.submits.flatMap((submit) => submit.followers);
  const { counts } = faults;
  const answers = world.messages.filter(({ role }) => role === 'assistant');
  const byStatus = (status) => answers.filter((row) => row.status === status).length;
  const table = {
    turns: answers.length,
    requests: world.submits.length,
    'answers: completed / stopped / failed / interrupted': ['completed', 'stopped', 'failed', 'interrupted']
      .map(byStatus)
      .join(' / '),
    'model requests': world.journal.length,
    'streams / resumed': `${followers.length} / ${followers.reduce((sum, { segments }) => sum + Math.max(0, segments.length - 1), 0)}`,
    'restarts of an attempt seen': followers.reduce(
      (sum, { events }) => sum + events.filter(({ event }) => event === 'turn.restarted').length,
      0,
    ),
    'stops / keys repeated': `${world.submits.reduce((sum, { stops }) => sum + stops.length, 0)} / ${world.submits.filter(({ requests, isKeyed }) => isKeyed && requests.length > 1).length}`,
    'kill -9 (aimed)': `${counts.kills} (${counts.aimed})`,
    'SIGTERM and start': counts.rolls,
    'PostgreSQL restarts': counts.restarts,
    ...(values.redis ? { 'Redis kills': counts.redisKills } : {}),
    'connection cuts / frozen': `${counts.cuts} (${counts.cutConnections} connections) / ${counts.freezes}`,
    lost: count('noQuestionIsLost', 'nothingIsHalf', 'sequencesAreWhole'),
    doubled: count('oneAnswerPerSubmit', 'oneModelAnswerPerAttempt', 'everyTurnEndsOnce', 'theLastAttemptSettles'),
    stuck: count('nothingIsStuck', 'nobodyWaitsForNothing', 'noRequestHangs'),
    gaps: count(
      'resumingLeavesNoGap',
      'clientsSawWhatIsStored',
      'everyStreamEndsOnce',
      'attemptsGoForward',
      'followersAreFedInTime',
    ),
    'wrong order': count('turnsOfASessionAreRunInOrder', 'oneTurnOfASessionRuns'),
    'broken stops': count('stopStops', 'theNextSendIsAccepted', 'disconnectIsNotCancel'),
    leaks: count('providerTextStaysInside'),
    unforeseen: count('nothingUnforeseen'),
    'takeover after kill -9, ms (p50 / p95 / max, of)': `${summary(clean)} of ${clean.length}`,
    'the same while the database was broken too': `${summary(taken.filter(({ isDisturbed }) => isDisturbed).map(({ ms }) => ms))}`,
    'longest that nobody ran a turn, ms': Math.round(Math.max(0, ...idle)),
    'instance ready after its start, ms (p50 / p95 / max)': summary(boots),
    'quiet after the load, ms': quietMs,
  };
  const width = Math.max(...Object.keys(table).map((key) => key.length));
  print('');
  for (const [key, value] of Object.entries(table)) print(`${key.padEnd(width)}  ${value}`);
  print('');
  const broken = Object.entries(violations).filter(([, list]) => list.length > 0);
  for (const [name, list] of broken) {
    print(`BROKEN ${name}: ${list.length}`);
    for (const example of list.slice(0, EXAMPLES)) print(`  ${JSON.stringify(example)}`);
  }
  const verdict = broken.length === 0 ? 'every invariant holds' : `${broken.length} invariants are broken`;
  print(verdict);
  write({ table, violations, loadMs });
  if (mutant === null) return broken.length === 0 ? 0 : 1;
  const isSeen = broken.some(([name]) => mutant.red.includes(name));
  print(isSeen ? `and so they should: ${values.break}` : `${values.break} WAS NOT SEEN by ${mutant.red.join(', ')}`);
  return isSeen ? 1 : 3;
}

function write({ table, violations, loadMs }) {
  const { commit, isDirty } = git();
  const result = {
    seed: values.seed,
    commit,
    ...(isDirty ? { isDirty } : {}),
    ...(values.break === undefined ? {} : { break: values.break }),
    at: new Date().toISOString(),
    node: process.version,
    options: { minutes, instances: Number(values.instances), clients: Number(values.clients), turns: leastTurns, plan },
    loadSeconds: Math.round(loadMs / 1000),
    table,
    violations: Object.fromEntries(Object.entries(violations).map(([name, list]) => [name, list.length])),
    examples: Object.fromEntries(
      Object.entries(violations)
        .filter(([, list]) => list.length > 0)
        .map(([name, list]) => [name, list.slice(0, EXAMPLES)]),
    ),
  };
  mkdirSync(values.out, { recursive: true });
  const name = ['chaos', values.break, `seed-${values.seed}`].filter((part) => part !== undefined).join('-');
  writeFileSync(join(values.out, `${name}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

function git() {
  const ask = (...args) => execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
  try {
    return {
      commit: ask('rev-parse', 'HEAD'),
      isDirty: ask('status', '--porcelain', '--', 'src', 'migrations') !== '',
    };
  } catch {
    return { commit: null, isDirty: false };
  }
}

function summary(list) {
  if (list.length === 0) return '- / - / -';
  const sorted = [...list].sort((a, b) => a - b);
  const at = (share) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]);
  return `${at(0.5)} / ${at(0.95)} / ${Math.round(sorted.at(-1))}`;
}
