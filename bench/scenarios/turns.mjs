/**
 * Turns per second and CPU per turn at full load: post a message, get the whole answer, over and over. The rounds of
 * the peers alternate (A B C A B C), so that other load of the machine affects all alike; a warm-up round of each is discarded.
 */
import { fileURLToPath } from 'node:url';
import { MESSAGES_PER_CALL } from '../dataset.mjs';
import { fixed, median, table } from '../figures.mjs';
import { cpuMs, Harness, query, rssMb } from '../harness.mjs';
import { bareParley, fastApi, naiveNest, NotInstalled, otherParley, parley, raw } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const TOKENS = 20;
const STORED = `select count(*)::int as count from messages where content <> ''`;

export const turns = {
  name: 'turns',
  summary: 'turns per second and CPU per turn at full load; --stream for answers as server-sent events',
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const { rounds, stream } = options;
  const stage = await Stage.set(harness, options, { tokens: TOKENS });
  const load = harness.fork(fileURLToPath(new URL('../load.mjs', import.meta.url)));
  load.send({ plan: stage.plan });

  const peers = [];
  const absent = [];
  for (const peer of chosenPeers(options)) {
    try {
      const server = await stage.start(peer);
      const [{ count: before }] = await query(server.databaseUrl, STORED);
      peers.push({ name: peer.name, server, databaseUrl: server.databaseUrl, before, turns: 0, rounds: [] });
    } catch (error) {
      if (!(error instanceof NotInstalled)) throw error;
      absent.push(`${peer.name}: not measured, ${error.message}`);
    }
  }

  for (let round = 0; round <= rounds; round += 1) {
    for (const peer of peers) {
      await harness.checkpoint();
      const seconds = round === 0 ? options.warmUp : options.seconds;
      const figures = await runRound(load, peer, { ...options, seconds });
      process.stderr.write(`${round === 0 ? 'warm-up' : `round ${round}`}  ${peer.name}  ${describe(figures)}\n`);
      peer.turns += figures.turns;
      if (round > 0) peer.rounds.push(figures);
    }
  }
  await verify(peers, stage.model.url);
  const { results, text } = report(peers, stream);
  const [limit, ...others] = results;
  const headline = Object.fromEntries(
    others.flatMap(({ name, turnsToRaw, cpuToRaw }) => [
      [`turns/s, ${name} : ${limit.name}`, turnsToRaw],
      [`CPU, ${name} : ${limit.name}`, cpuToRaw],
    ]),
  );
  return { results, headline, text: [text, ...absent].join('\n') };
}

function chosenPeers({ peers, also }) {
  const all = [raw, parley(), bareParley, ...also.map((directory) => otherParley(directory)), naiveNest, fastApi];
  return peers.length === 0 ? all : all.filter(({ name }) => peers.includes(name) || name.startsWith('parley in '));
}

async function runRound(load, { name, server }, { seconds, concurrency, stream }) {
  const cpuBefore = cpuMs(server.pid);
  const result = new Promise((resolve, reject) => {
    load.once('message', resolve);
    load.once('exit', () => reject(new Error('the load generator ended')));
  });
  load.send({ round: { url: server.url, seconds, concurrency, isStream: stream } });
  const figures = await result;
  load.removeAllListeners('exit');
  const cpuAfter = cpuMs(server.pid);
  if (figures.errors > 0) throw new Error(`${name}: ${figures.errors} wrong answers, the first: ${figures.firstError}`);
  return {
    ...figures,
    cpuMsPerTurn: cpuBefore === null || cpuAfter === null ? null : (cpuAfter - cpuBefore) / figures.turns,
    rssMb: rssMb(server.pid),
  };
}

/** Checks that every answer was stored, and that every model call contained prompts and history. */
async function verify(peers, modelUrl) {
  let turnCount = 0;
  for (const { name, databaseUrl, before, turns: answered } of peers) {
    const [{ count }] = await query(databaseUrl, STORED);
    const stored = count - before;
    if (stored !== 2 * answered) throw new Error(`${name}: ${stored} messages stored for ${answered} turns`);
    turnCount += answered;
  }
  const { calls, messages } = await (await fetch(`${modelUrl}/stats`)).json();
  if (calls !== turnCount || messages !== calls * MESSAGES_PER_CALL) {
    throw new Error(`the model got ${calls} calls with ${messages} messages for ${turnCount} turns`);
  }
}

const MEASURES = ['perSecond', 'cpuMsPerTurn', 'p50', 'p99', 'firstByteP50', 'rssMb'];

function report(peers, isStream) {
  const results = peers.map(({ name, turns: answered, rounds }) => ({
    name,
    turns: answered,
    ...Object.fromEntries(
      MEASURES.map((measure) => {
        const values = rounds.map((figures) => figures[measure]).filter((value) => value !== null);
        return [measure, { median: median(values), min: Math.min(...values), max: Math.max(...values) }];
      }),
    ),
    rounds,
  }));
  const limit = results[0];
  const rows = results.map((result) => {
    // Ratios of neighbouring rounds, so that a slow minute of the machine affects both sides.
    result.turnsToRaw = ratio(result, limit, 'perSecond');
    result.cpuToRaw = ratio(result, limit, 'cpuMsPerTurn');
    return [
      result.name,
      spread(result.perSecond, 0),
      fixed(result.turnsToRaw, 2),
      spread(result.cpuMsPerTurn, 2),
      fixed(result.cpuToRaw, 2),
      fixed(result.p50.median, 1),
      fixed(result.p99.median, 1),
      ...(isStream ? [fixed(result.firstByteP50.median, 1)] : []),
      fixed(result.rssMb.median, 0),
    ];
  });
  const first = isStream ? ['first byte p50'] : [];
  const header = [
    'peer',
    'turns/s',
    `: ${limit.name}`,
    'CPU ms/turn',
    `: ${limit.name}`,
    'p50 ms',
    'p99 ms',
    ...first,
    'RSS MB',
  ];
  return { results, text: table(header, rows) };
}

function ratio(result, limit, measure) {
  return median(
    result.rounds.map((figures, round) =>
      figures[measure] === null ? null : figures[measure] / limit.rounds[round][measure],
    ),
  );
}

function spread({ median: middle, min, max }, digits) {
  return middle === null ? 'n/a' : `${fixed(middle, digits)} (${fixed(min, digits)}–${fixed(max, digits)})`;
}

function describe({ perSecond, cpuMsPerTurn, p50, p99 }) {
  return `${fixed(perSecond, 0)} turns/s  ${fixed(cpuMsPerTurn, 2)} ms CPU  p50 ${fixed(p50, 1)}  p99 ${fixed(p99, 1)}`;
}
