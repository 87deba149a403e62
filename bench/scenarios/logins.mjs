/** Fifty sign-ins at once beside chat: hashing passwords must not hold up anybody else. */
import { fixed, quantile, table } from '../figures.mjs';
import { Harness } from '../harness.mjs';
import { parley } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const LOGINS = 50;
const PASSWORD = 'a password of the bench';
const PROBE = ['--import', new URL('../probe.mjs', import.meta.url).href];
/** All of them come from one address, and all at once. */
const LIMITS = {
  PASSWORD_QUEUE: '100',
  REGISTRATIONS_PER_ADDRESS: '1000',
  LOGIN_FAILURES_PER_ADDRESS: '1000',
};

export const logins = {
  name: 'logins',
  summary: `${LOGINS} sign-ins at once beside chat at --rate turns a second`,
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  // Enough sessions that none is asked again before it has answered, at any rate that the server can do.
  const stage = await Stage.set(harness, { ...options, users: Math.max(options.users, 250) });
  const server = await stage.start(parley(), { env: LIMITS, nodeArgs: PROBE });
  const chat = stage.client();
  const door = stage.client();
  const people = Array.from({ length: LOGINS }, (_, i) => ({ email: `guest${i}@bench.example`, password: PASSWORD }));
  await register(server.url, people);
  const target = stage.chats(server.url);
  const signIns = {
    url: server.url,
    path: '/auth/login',
    marker: null,
    requests: people.map((person) => ({ headers: {}, body: JSON.stringify(person) })),
  };
  await chat({ target, count: 1000, concurrency: 8 });
  const phase = async (beside) => {
    await server.ask('loop-delay');
    const load = chat({ target, perSecond: options.rate, seconds: options.seconds * 2 });
    const others = beside === null ? null : await door(beside);
    const { total } = await load;
    const loopDelayMs = await server.ask('loop-delay');
    return {
      p50: quantile(total, 0.5),
      p99: quantile(total, 0.99),
      loopDelayMs,
      loginSeconds: others?.seconds ?? null,
    };
  };
  const results = {
    quiet: await phase(null),
    busy: await phase({ target: signIns, count: LOGINS * 2, concurrency: LOGINS }),
  };
  const rows = Object.entries(results).map(([name, { p50, p99, loopDelayMs, loginSeconds }]) => [
    name === 'quiet' ? 'chat alone' : `with ${LOGINS} sign-ins at a time`,
    fixed(p50, 1),
    fixed(p99, 1),
    fixed(loopDelayMs.p99, 1),
    fixed(loopDelayMs.max, 1),
    loginSeconds === null ? '–' : fixed((LOGINS * 2) / loginSeconds, 1),
  ]);
  const header = ['', 'chat p50 ms', 'chat p99 ms', 'event loop late p99 ms', 'at most ms', 'sign-ins/s'];
  const { quiet, busy } = results;
  const headline = { 'chat p99, busy : quiet': busy.p99 / quiet.p99, 'event loop late p99 ms': busy.loopDelayMs.p99 };
  return { results, headline, text: table(header, rows) };
}

async function register(url, people) {
  for (const person of people) {
    const response = await fetch(`${url}/auth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(person),
    });
    if (response.status !== 201) throw new Error(`register: ${response.status} ${await response.text()}`);
  }
}
