/**
 * A long run at 60 % of the peak, plain turns, streams and stops mixed: memory, descriptors and database connections at the
 * end must equal those after the first tenth. The peak is measured first.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { fixed, median, table } from '../figures.mjs';
import { Harness, openFiles, query, rssMb } from '../harness.mjs';
import { parley } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const SHARE_OF_PEAK = 0.6;
const SLICE_SECONDS = 10;
const STREAM_SHARE = 0.2;
const STOPS_A_SLICE = 5;
const PROBE = ['--expose-gc', '--import', new URL('../probe.mjs', import.meta.url).href];

export const soak = {
  name: 'soak',
  summary: `--minutes at ${SHARE_OF_PEAK * 100} % of the peak with streams and stops: what grows`,
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const stage = await Stage.set(harness, options);
  const server = await stage.start(parley(), { nodeArgs: PROBE });
  const [plain, streaming] = [stage.client(), stage.client()];
  // Concurrent turns of one session are refused.
  const [own, others] = [stage.plan.sessions.slice(0, -30), stage.plan.sessions.slice(-30)];
  const targets = {
    plain: stage.chats(server.url, { sessions: own }),
    stream: stage.chats(server.url, { sessions: others, stream: true }),
  };
  await plain({ target: targets.plain, count: 3000, concurrency: 16 });
  const { total, seconds } = await plain({ target: targets.plain, count: 3000, concurrency: 32 });
  const perSecond = (total.length / seconds) * SHARE_OF_PEAK;
  const until = performance.now() + options.minutes * 60_000;
  const samples = [];
  let turns = 0;
  while (performance.now() < until) {
    const load = (ask, target, share) => ask({ target, perSecond: perSecond * share, seconds: SLICE_SECONDS });
    const [a, b] = await Promise.all([
      load(plain, targets.plain, 1 - STREAM_SHARE),
      load(streaming, targets.stream, STREAM_SHARE),
      stops(server.url, stage),
    ]);
    turns += a.total.length + b.total.length;
    samples.push(await sample(server));
    process.stderr.write(`${samples.length * SLICE_SECONDS} s: ${turns} turns, ${JSON.stringify(samples.at(-1))}\n`);
  }
  await sleep(2000);
  const { heapUsed } = await server.ask('memory');
  return report({ samples, turns, perSecond, heapUsedMb: heapUsed / 2 ** 20 });
}

/** Background turns that are stopped at once. */
async function stops(url, { plan: { sessions } }) {
  for (const { token, projectId, messages } of sessions.slice(0, STOPS_A_SLICE)) {
    const post = async (path, body) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      const response = await fetch(url + path, { method: 'POST', headers, body: JSON.stringify(body) });
      if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
      return response.json();
    };
    const { assistant_message: answer } = await post('/chat', {
      project_id: projectId,
      message: messages[0],
      background: true,
    });
    await post(`/chat/messages/${answer.id}/stop`, {});
  }
}

async function sample({ pid, databaseUrl }) {
  const [{ connections }] = await query(
    databaseUrl,
    'select count(*)::int as connections from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
  );
  return { rssMb: rssMb(pid), files: openFiles(pid), connections };
}

function report({ samples, turns, perSecond, heapUsedMb }) {
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const [early, late] = [samples.slice(tenth, 2 * tenth), samples.slice(-tenth)];
  const of = (part, measure) => median((part.length > 0 ? part : samples).map((one) => one[measure]));
  const results = { turns, perSecond, heapUsedMb, samples, growth: {} };
  const rows = ['rssMb', 'files', 'connections'].map((measure) => {
    const [from, to] = [of(early, measure), of(late, measure)];
    results.growth[measure] = to / from;
    return [measure, fixed(from, 0), fixed(to, 0), fixed(to / from, 2)];
  });
  const text = `${turns} turns at ${fixed(perSecond, 0)} a second\n\n${table(['', 'second tenth', 'last tenth', 'ratio'], rows)}`;
  return { results, headline: results.growth, text };
}
