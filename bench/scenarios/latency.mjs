/**
 * The latency that a server adds to the model, one request at a time: the same request goes to the model directly and through
 * each peer in turn. The gateways store nothing; the others store both messages. Then at a fixed arrival rate, where p99
 * is meaningful: in a closed loop, a slow server also slows its clients down.
 */
import { fixed, median, quantile, spread, table } from '../figures.mjs';
import { cpuMs, Harness } from '../harness.mjs';
import { fastApi, liteLlm, naiveNest, NotInstalled, parley, portkey, raw } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const REQUESTS = 200;
const WARM_UP = 600;
const STORING = [raw, parley(), naiveNest, fastApi];
const GATEWAYS = [portkey, liteLlm];

export const latency = {
  name: 'latency',
  summary: 'what each peer adds to the model, one request at a time and at --rate arrivals a second',
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  // Enough sessions that no session gets a second request before it has answered, at any rate of the server.
  const stage = await Stage.set(harness, { ...options, users: Math.max(options.users, 250) });
  const ask = stage.client();
  const direct = {
    name: 'the model itself',
    target: stage.completions(stage.model.url),
    pid: stage.model.pid,
    rounds: [],
  };
  const peers = [direct];
  const absent = [];
  for (const peer of [...STORING, ...GATEWAYS].filter(({ name }) => isChosen(name, options))) {
    try {
      const server = await stage.start(peer);
      const isGateway = GATEWAYS.includes(peer);
      const target = isGateway ? stage.completions(server.url, { headers: server.headers }) : stage.chats(server.url);
      peers.push({ name: peer.name, target, pid: server.pid, rounds: [] });
    } catch (error) {
      if (!(error instanceof NotInstalled)) throw error;
      absent.push(`${peer.name}: not measured, ${error.message}`);
    }
  }
  for (const { target } of peers) await ask({ target, count: WARM_UP, concurrency: 4 });
  for (let round = 0; round < options.rounds; round += 1) {
    for (const peer of peers) peer.rounds.push(await one(ask, peer));
  }
  for (const peer of peers.filter(({ name }) => name !== direct.name)) {
    await harness.checkpoint();
    const { total } = await ask({ target: peer.target, perSecond: options.rate, seconds: options.seconds * 2 });
    peer.atRate = { p50: quantile(total, 0.5), p99: quantile(total, 0.99) };
  }
  return report(peers, absent, options);
}

const isChosen = (name, { peers }) => peers.length === 0 || peers.includes(name);

async function one(ask, { target, pid }) {
  const cpuBefore = cpuMs(pid);
  const { total } = await ask({ target, count: REQUESTS, concurrency: 1 });
  return {
    p50: quantile(total, 0.5),
    p99: quantile(total, 0.99),
    cpuMs: cpuBefore === null ? null : (cpuMs(pid) - cpuBefore) / REQUESTS,
  };
}

function report(peers, absent, { rate }) {
  const [direct, ...others] = peers;
  const results = others.map(({ name, rounds, atRate }) => {
    const added = (measure) => rounds.map((figures, i) => figures[measure] - direct.rounds[i][measure]);
    return {
      name,
      addedP50: added('p50'),
      addedP99: added('p99'),
      cpuMs: rounds.map(({ cpuMs }) => cpuMs),
      atRate,
      rounds,
    };
  });
  const rows = results.map(({ name, addedP50, addedP99, cpuMs, atRate }) => [
    name,
    spread(addedP50, 2),
    spread(addedP99, 2),
    fixed(median(cpuMs), 2),
    fixed(atRate.p50, 1),
    fixed(atRate.p99, 1),
  ]);
  const header = ['peer', 'added p50 ms', 'added p99 ms', 'CPU ms/turn', `p50 at ${rate}/s`, `p99 at ${rate}/s`];
  const headline = Object.fromEntries(results.map(({ name, addedP50 }) => [`added p50 ms, ${name}`, median(addedP50)]));
  return { results, headline, text: [table(header, rows), ...absent].join('\n') };
}
