/**
 * Many open streams on one instance: every frame must arrive, and the memory per open stream is limited. Each client
 * posts one turn in a session of its own and reads it to its end; the model writes five tokens a second.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { table } from '../figures.mjs';
import { cpuMs, Harness, rssMb } from '../harness.mjs';
import { parley } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const TOKENS = 100;
const TOKENS_PER_SECOND = 5;
/** Streams opened per second: opening all at once would measure only the rush of connections. */
const OPENED_PER_SECOND = 250;
const WARM_UP_STREAMS = 50;
/** The delay before memory is measured, when all streams are open and none has ended. */
const MEMORY_AFTER_MS = 5000;
const PROBE = ['--expose-gc', '--import', new URL('../probe.mjs', import.meta.url).href];
const USERS = 100;
/** Memory that V8 reserves: mostly its new generation, which does not grow with the streams. */
const FREE = 'free in the JavaScript heap';
const TEXT = Array(TOKENS).fill('word').join(' ');

export const streams = {
  name: 'streams',
  summary: `open streams at ${TOKENS_PER_SECOND} tokens a second on one instance`,
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const stage = await Stage.set(harness, options, { users: USERS, tokens: TOKENS, tokensPerSecond: TOKENS_PER_SECOND });
  const server = await stage.start(parley(), { nodeArgs: PROBE });
  const { sessions } = stage.plan;
  const { hostname, port } = new URL(server.url);
  const agent = new Agent({ maxSockets: Infinity });
  const open = (index) => follow({ hostname, port, agent }, sessions[index % sessions.length]);

  // Warms up compiler and pools first, so that the difference contains only the streams.
  await Promise.all(Array.from({ length: WARM_UP_STREAMS }, (_, index) => open(index)));
  await sleep(2000);
  const idle = await server.ask('memory');
  const [rssBefore, cpuBefore] = [rssMb(server.pid), cpuMs(server.pid)];
  let rssPeak = 0;
  const watch = setInterval(() => (rssPeak = Math.max(rssPeak, rssMb(server.pid) ?? 0)), 250);
  const begin = performance.now();
  const running = [];
  for (let index = 0; index < options.streams; index += 1) {
    running.push(open(index));
    if (index % 25 === 24) await sleep(25_000 / OPENED_PER_SECOND);
  }
  await sleep(MEMORY_AFTER_MS);
  const inUse = await server.ask('memory');
  const ended = await Promise.all(running);
  clearInterval(watch);
  const seconds = (performance.now() - begin) / 1000;
  agent.destroy();
  const facts = { rssBefore, rssPeak, cpu: cpuMs(server.pid) - cpuBefore, seconds };
  return report(ended, { ...facts, parts: memoryPerStream(idle, inUse, ended.length) }, options.memory);
}

/** One turn as a stream: what arrived, and the longest silence between two frames in milliseconds. */
function follow(target, { token, projectId, messages }) {
  return new Promise((resolve) => {
    const seen = { text: '', frames: 0, isWhole: false, longestGapMs: 0, why: 'no answer' };
    const done = () => resolve({ ...seen, isWhole: seen.isWhole && seen.text === TEXT });
    const post = request({
      ...target,
      method: 'POST',
      path: '/chat',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    });
    post.once('error', (error) => {
      seen.why = error.message;
      done();
    });
    post.once('response', (response) => {
      seen.why = `ended with status ${response.statusCode}`;
      let rest = '';
      let last = performance.now();
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        const now = performance.now();
        seen.longestGapMs = Math.max(seen.longestGapMs, now - last);
        last = now;
        const frames = (rest + chunk).split('\n\n');
        rest = frames.pop();
        for (const frame of frames) readFrame(frame, seen);
      });
      response.once('close', done);
    });
    post.end(JSON.stringify({ project_id: projectId, message: messages[0], stream: true }));
  });
}

function readFrame(frame, seen) {
  const event = /^event: (.+)$/m.exec(frame)?.[1];
  if (event === 'message.delta') {
    seen.frames += 1;
    seen.text += JSON.parse(/^data: (.+)$/m.exec(frame)[1]).text;
  }
  if (event === 'turn.completed') seen.isWhole = true;
  if (event === 'turn.failed') seen.why = /"code":"(\w+)"/.exec(frame)?.[1];
}

function report(ended, { rssBefore, rssPeak, cpu, seconds, parts }, showsParts) {
  const whole = ended.filter(({ isWhole }) => isWhole).length;
  const frames = ended.reduce((sum, stream) => sum + stream.frames, 0);
  const gaps = ended.map(({ longestGapMs }) => longestGapMs).sort((a, b) => a - b);
  const results = {
    streams: ended.length,
    whole,
    frames,
    kbPerStream: parts.rss - parts[FREE],
    peakKbPerStream: ((rssPeak - rssBefore) * 1024) / ended.length,
    cpuMsPerStream: cpu / ended.length,
    longestGapP50Ms: gaps[Math.floor(gaps.length / 2)],
    longestGapP99Ms: gaps[Math.floor(gaps.length * 0.99)],
    inUseKbPerStream: parts,
    rssBeforeMb: rssBefore,
    rssPeakMb: rssPeak,
    seconds,
  };
  if (whole !== ended.length) {
    const reasons = new Set(ended.filter(({ isWhole }) => !isWhole).map(({ why }) => why));
    throw new Error(`${ended.length - whole} of ${ended.length} streams were not whole: ${[...reasons].join(', ')}`);
  }
  const row = [
    `${whole} of ${ended.length}`,
    String(frames),
    results.kbPerStream.toFixed(1),
    results.peakKbPerStream.toFixed(0),
    results.cpuMsPerStream.toFixed(1),
    results.longestGapP50Ms.toFixed(0),
    results.longestGapP99Ms.toFixed(0),
    rssPeak.toFixed(0),
  ];
  const memory = ['KB/stream', 'with garbage'];
  const header = ['whole streams', 'deltas', ...memory, 'CPU ms/stream', 'longest gap p50', 'p99 ms', 'RSS peak MB'];
  const text = table(header, [row]);
  const headline = { 'KB/stream': results.kbPerStream, 'CPU ms/stream': results.cpuMsPerStream };
  if (!showsParts) return { results, headline, text };
  const rows = Object.entries(parts).map(([part, kb]) => [part, kb.toFixed(1)]);
  return { results, headline, text: `${text}\n${table(['in use', 'KB/stream'], rows)}` };
}

/** The growth by owner: `rest` is memory of the C and C++ code below JavaScript, and memory that the allocator kept. */
function memoryPerStream(idle, inUse, streams) {
  const kb = (read) => (read(inUse) - read(idle)) / 1024 / streams;
  return {
    rss: kb(({ rss }) => rss),
    'JavaScript objects': kb(({ heapUsed }) => heapUsed),
    [FREE]: kb(({ heapTotal, heapUsed }) => heapTotal - heapUsed),
    buffers: kb(({ arrayBuffers }) => arrayBuffers),
    rest: kb(({ rss, heapTotal, arrayBuffers }) => rss - heapTotal - arrayBuffers),
  };
}
