/** A pool of five connections, a model that waits for a second, and 500 callers: no connection may be held during the wait. */
import { fixed, median, quantile, spread, table } from '../figures.mjs';
import { Harness } from '../harness.mjs';
import { naiveNest, parley, raw } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const CALLERS = 500;
const TURNS_EACH = 6;

export const slowModel = {
  name: 'slow-model',
  summary: `${CALLERS} callers, a model that takes 1 s, 5 database connections`,
  run: (options) => Harness.run(options, (harness) => measure(harness, { ...options, poolSize: 5 })),
};

async function measure(harness, options) {
  const stage = await Stage.set(harness, options, { users: Math.ceil(CALLERS / 4), delayMs: 1000 });
  const ask = stage.client();
  const peers = [];
  for (const peer of [raw, parley(), naiveNest]) {
    if (options.peers.length > 0 && !options.peers.includes(peer.name)) continue;
    const target = stage.chats((await stage.start(peer)).url);
    await ask({ target, count: CALLERS, concurrency: CALLERS });
    peers.push({ name: peer.name, target, perSecond: [], p99: [] });
  }
  for (let round = 0; round < Math.min(3, options.rounds); round += 1) {
    for (const { target, perSecond, p99 } of peers) {
      await harness.checkpoint();
      const { total, seconds } = await ask({ target, count: CALLERS * TURNS_EACH, concurrency: CALLERS });
      perSecond.push(total.length / seconds);
      p99.push(quantile(total, 0.99));
    }
  }
  const results = peers.map(({ name, perSecond, p99 }) => ({ name, perSecond, p99 }));
  const rows = results.map(({ name, perSecond, p99 }) => [name, spread(perSecond, 0), fixed(Math.max(...p99), 0)]);
  const headline = Object.fromEntries(results.map(({ name, perSecond }) => [`turns/s, ${name}`, median(perSecond)]));
  return { results, headline, text: table(['peer', 'turns/s (at most 500)', 'p99 ms'], rows) };
}
