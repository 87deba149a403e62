/** Fifty concurrent sign-ins during chat: hashing passwords must not delay other requests. */
import { median, quantile, spread, table } from '../figures.mjs';
import { Harness } from '../harness.mjs';
import { parley } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const LOGINS = 50;
const WARM_UP = 3000;
const PASSWORD = 'a password of the bench';
const PROBE = ['--import', new URL('../probe.mjs', import.meta.url).href];
/** All of them come from one address, and all at once. */
const LIMITS = {
  PASSWORD_QUEUE: '100',
  REGISTRATIONS_PER_ADDRESS: '1000',
  LOGIN_FAILURES_PER_ADDRESS: '1000',
  SIGN_IN_REQUESTS_PER_ADDRESS: '1000000',
};

export const logins = {
  name: 'logins',
  summary: `${LOGINS} sign-ins at once beside chat at --rate turns a second`,
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  // Enough sessions that no session gets a second request before it has answered, at any rate of the server.
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
  await chat({ target, count: WARM_UP, concurrency: 8 });
  await door({ target: signIns, count: 10, concurrency: 10 });
  const phase = async (beside) => {
    await server.ask('loop-delay');
    const load = chat({ target, perSecond: options.rate, seconds: options.seconds * 2 });
    const others = beside === null ? null : await door(beside);
    const { total } = await load;
    const { p99: late, max: latest } = await server.ask('loop-delay');
    const signInsPerSecond = others === null ? null : LOGINS / others.seconds;
    return { p50: quantile(total, 0.5), p99: quantile(total, 0.99), late, latest, signInsPerSecond };
  };
  const results = { quiet: [], busy: [] };
  for (let round = 0; round < options.rounds; round += 1) {
    results.quiet.push(await phase(null));
    results.busy.push(await phase({ target: signIns, count: LOGINS, concurrency: LOGINS }));
  }
  return report(results);
}

function report({ quiet, busy }) {
  const figures = (rounds) =>
    ['p50', 'p99', 'late', 'latest', 'signInsPerSecond'].map((figure) =>
      spread(
        rounds.map((round) => round[figure]),
        1,
      ),
    );
  const header = ['', 'chat p50 ms', 'chat p99 ms', 'event loop late p99 ms', 'at most ms', 'sign-ins/s'];
  const rows = [
    ['chat alone', ...figures(quiet)],
    [`with ${LOGINS} sign-ins at once`, ...figures(busy)],
  ];
  const ratio = (figure) => busy.map((round, i) => round[figure] / quiet[i][figure]);
  const ratios = ['busy : quiet', ...['p50', 'p99'].map((figure) => spread(ratio(figure), 1)), '', '', ''];
  const headline = {
    'chat p50, busy : quiet': median(ratio('p50')),
    'chat p99, busy : quiet': median(ratio('p99')),
    'event loop late p99 ms': median(busy.map(({ late }) => late)),
  };
  return { results: { quiet, busy }, headline, text: table(header, [...rows, ratios]) };
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
