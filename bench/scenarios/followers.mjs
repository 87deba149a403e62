/**
 * Clients that follow a turn without text yet: what each costs while it waits, and whether all of them receive the
 * answer. The model starts to write only after all clients have connected and waited for a while.
 */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { fixed, table } from '../figures.mjs';
import { cpuMs, Harness } from '../harness.mjs';
import { parley } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const OPENED_PER_SECOND = 500;
/** Includes heartbeats: each client gets one in this time. */
const IDLE_MS = 15_000;
const THINKS_AT_LEAST_MS = 5000;
const PROBE = ['--expose-gc', '--import', new URL('../probe.mjs', import.meta.url).href];

export const followers = {
  name: 'followers',
  summary: '--followers of one turn that wait for its first word',
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const count = options.followers;
  const delayMs = (count / OPENED_PER_SECOND) * 2000 + IDLE_MS + THINKS_AT_LEAST_MS;
  const stage = await Stage.set(harness, options, { delayMs });
  const env = { MAX_CONNECTIONS: String(count + 100), LLM_FIRST_TOKEN_TIMEOUT_MS: String(2 * delayMs) };
  const server = await stage.start(parley(), { env, nodeArgs: PROBE });
  const [{ token, projectId, messages }] = stage.plan.sessions;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ project_id: projectId, message: messages[0], background: true });
  const response = await fetch(`${server.url}/chat`, { method: 'POST', headers, body });
  const { assistant_message: answer } = await response.json();
  const { hostname, port } = new URL(server.url);
  const agent = new Agent({ maxSockets: Infinity });
  const target = { hostname, port, agent, path: `/chat/messages/${answer.id}/events`, headers };

  const before = await server.ask('memory');
  const running = [];
  const states = [];
  for (let index = 0; index < count; index += 1) {
    const state = { hasBegun: false };
    states.push(state);
    running.push(follow(target, stage.answer, state));
    if (index % 50 === 49) await sleep(50_000 / OPENED_PER_SECOND);
  }
  while (states.some(({ hasBegun }) => !hasBegun)) await sleep(50);
  const waiting = await server.ask('memory');
  const cpuBefore = cpuMs(server.pid);
  await sleep(IDLE_MS);
  const idleCpuMs = cpuMs(server.pid) - cpuBefore;
  const ended = await Promise.all(running);
  agent.destroy();
  const whole = ended.filter(({ isWhole }) => isWhole).length;
  if (whole < count) throw new Error(`${count - whole} of ${count} did not get the answer`);
  const ends = ended.map(({ endedAt }) => endedAt);
  const results = {
    followers: count,
    kbPerFollower: (waiting.rss - before.rss) / 1024 / count,
    inUseKbPerFollower: (waiting.heapUsed - before.heapUsed) / 1024 / count,
    idleCpuShare: idleCpuMs / IDLE_MS,
    endSpreadMs: Math.max(...ends) - Math.min(...ends),
  };
  const row = [
    `${whole} of ${count}`,
    fixed(results.kbPerFollower, 1),
    fixed(results.inUseKbPerFollower, 1),
    `${fixed(results.idleCpuShare * 100, 1)} %`,
    fixed(results.endSpreadMs, 0),
  ];
  const header = ['got the answer', 'KB each', 'of it objects', 'of a core while idle', 'first to last end, ms'];
  const headline = { 'KB/follower': results.kbPerFollower, 'idle core share': results.idleCpuShare };
  return { results, headline, text: table(header, [row]) };
}

function follow(target, answer, state) {
  return new Promise((resolve) => {
    const fail = () => {
      state.hasBegun = true;
      resolve({ isWhole: false, endedAt: performance.now() });
    };
    const get = request(target, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => {
        state.hasBegun = true;
        text += chunk;
      });
      response.once('close', () => {
        state.hasBegun = true;
        const end = /^event: turn\.completed\ndata: (.+)$/m.exec(text)?.[1];
        const isWhole = end !== undefined && JSON.parse(end).assistant_message.content === answer;
        resolve({ isWhole, endedAt: performance.now() });
      });
    });
    get.once('error', fail);
    get.end();
  });
}
