/**
 * How much a server delays the first token and widens the gaps between pieces of text, compared with the model itself in
 * the same run, with one stream and with fifty at a time.
 */
import { fixed, median, quantile, spread, table } from '../figures.mjs';
import { Harness } from '../harness.mjs';
import { naiveNest, parley, raw } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const MODEL = { tokens: 25, delayMs: 50, tokensPerSecond: 50 };
const CROWDS = [
  { concurrency: 1, count: 15 },
  { concurrency: 50, count: 150 },
];

export const ttft = {
  name: 'ttft',
  summary: 'what streaming adds to the first token and to the gaps between pieces',
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const stage = await Stage.set(harness, options, MODEL);
  const ask = stage.client();
  const peers = [{ name: 'the model itself', target: stage.completions(stage.model.url, { stream: true }) }];
  for (const peer of [raw, parley(), naiveNest]) {
    if (options.peers.length > 0 && !options.peers.includes(peer.name)) continue;
    peers.push({ name: peer.name, target: stage.chats((await stage.start(peer)).url, { stream: true }) });
  }
  for (const { target } of peers) await ask({ target, count: 200, concurrency: 50 });
  const results = [];
  for (const { concurrency, count } of CROWDS) {
    for (const peer of peers) peer.rounds = [];
    for (let round = 0; round < options.rounds; round += 1) {
      for (const { target, rounds } of peers) rounds.push(figuresOf(await ask({ target, count, concurrency })));
    }
    const [direct, ...others] = peers;
    for (const { name, rounds } of others) results.push({ name, concurrency, ...added(rounds, direct.rounds) });
  }
  return report(results);
}

function figuresOf({ first, gaps }) {
  return { firstP50: quantile(first, 0.5), firstP99: quantile(first, 0.99), gapP99: quantile(gaps, 0.99) };
}

function added(rounds, directRounds) {
  const more = (measure) => rounds.map((figures, i) => figures[measure] - directRounds[i][measure]);
  return { firstP50: more('firstP50'), firstP99: more('firstP99'), gapP99: more('gapP99'), rounds };
}

function report(results) {
  const rows = results.map(({ name, concurrency, firstP50, firstP99, gapP99 }) => [
    name,
    String(concurrency),
    spread(firstP50, 1),
    fixed(median(firstP99), 1),
    spread(gapP99, 1),
  ]);
  const header = ['peer', 'streams', 'added to first token p50 ms', 'p99 ms', 'added to gaps p99 ms'];
  const headline = Object.fromEntries(
    results.map(({ name, concurrency, firstP50 }) => [`added to first ms, ${name}, ${concurrency}`, median(firstP50)]),
  );
  return { results, headline, text: table(header, rows) };
}
