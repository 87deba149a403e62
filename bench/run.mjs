/** `npm run bench -- [scenario …] [options]`: see README.md beside this file. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fixed, table } from './figures.mjs';
import { circumstances } from './harness.mjs';
import { followers } from './scenarios/followers.mjs';
import { growth } from './scenarios/growth.mjs';
import { latency } from './scenarios/latency.mjs';
import { logins } from './scenarios/logins.mjs';
import { slowModel } from './scenarios/slow-model.mjs';
import { soak } from './scenarios/soak.mjs';
import { start } from './scenarios/start.mjs';
import { streams } from './scenarios/streams.mjs';
import { ttft } from './scenarios/ttft.mjs';
import { turns } from './scenarios/turns.mjs';

/** The scenarios that run by default, in this order; the soak takes too long for that. */
const ALL = [turns, latency, ttft, streams, followers, slowModel, logins, growth, start];
const SCENARIOS = [...ALL, soak];
const RESULTS = fileURLToPath(new URL('results', import.meta.url));

const OPTIONS = {
  seconds: ['5', 'length of a round'],
  rounds: ['5', 'measured rounds of each peer'],
  'warm-up': ['15', 'seconds of each peer that are dropped, for its compiler to get ready'],
  concurrency: ['32', 'clients at once'],
  users: ['50', 'users, each with a project, two prompts and four sessions'],
  seed: ['1', 'the same seed makes the same data'],
  streams: ['2000', 'how many streams are open at once'],
  followers: ['10000', 'how many clients follow one turn; twice as many files must be allowed to be open'],
  rate: ['100', 'arrivals a second where they come at a fixed rate'],
  rows: ['1000000', 'messages in the big database of growth'],
  minutes: ['60', 'length of the soak'],
  'pool-size': ['10', 'database connections of each server'],
};

function usage() {
  const lines = Object.entries(OPTIONS).map(
    ([name, [value, doc]]) => `  --${`${name} N`.padEnd(16)} ${doc} (${value})`,
  );
  const scenarios = SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(18)} ${summary}`);
  return `npm run bench -- [scenario …] [options]
${scenarios.join('\n')}

${lines.join('\n')}
  --ephemeral        PostgreSQL without fsync: where the disk is slow or shared, shows the servers instead of it
  --memory           of the streams, also what their memory is made of
  --stream           answers as server-sent events
  --install          get the peers that are missing: Debian's packages as root, npm and PyPI into bench/.peers
  --peer NAME        only this one: raw, parley, parley-bare, naive-nest, fastapi, portkey, litellm (may be repeated)
  --also DIRECTORY   another built checkout of Parley as one more peer (may be repeated)
  --node-arg ARG     for the servers' processes, e.g. --cpu-prof (may be repeated)
`;
}

function parse() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      ...Object.fromEntries(
        Object.entries(OPTIONS).map(([name, [value]]) => [name, { type: 'string', default: value }]),
      ),
      ephemeral: { type: 'boolean', default: false },
      memory: { type: 'boolean', default: false },
      stream: { type: 'boolean', default: false },
      install: { type: 'boolean', default: false },
      peer: { type: 'string', multiple: true, default: [] },
      also: { type: 'string', multiple: true, default: [] },
      'node-arg': { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  const number = (name) => {
    const value = Number(values[name]);
    if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} must be a number above 0`);
    return value;
  };
  const chosen = positionals.length === 0 ? ALL : positionals.map(find);
  return {
    chosen,
    help: values.help,
    options: {
      seconds: number('seconds'),
      rounds: number('rounds'),
      warmUp: number('warm-up'),
      concurrency: number('concurrency'),
      users: number('users'),
      seed: number('seed'),
      streams: number('streams'),
      followers: number('followers'),
      poolSize: number('pool-size'),
      memory: values.memory,
      ephemeral: values.ephemeral,
      stream: values.stream,
      install: values.install,
      rate: number('rate'),
      rows: number('rows'),
      minutes: number('minutes'),
      peers: values.peer,
      also: values.also,
      nodeArgs: values['node-arg'],
    },
  };
}

function find(name) {
  const scenario = SCENARIOS.find((candidate) => candidate.name === name);
  if (scenario === undefined) throw new Error(`no scenario "${name}"`);
  return scenario;
}

/** Compares the main figures with those of the last run in `results`; empty if there is none. */
function sinceLast(name, headline) {
  const runs = new RegExp(`^\\d{4}-\\d\\d-\\d\\d-${name}\\.json$`);
  const file = readdirSync(RESULTS)
    .filter((candidate) => runs.test(candidate))
    .sort()
    .at(-1);
  if (file === undefined) return '';
  const last = JSON.parse(readFileSync(`${RESULTS}/${file}`, 'utf8'));
  const rows = Object.entries(headline)
    .filter(([figure]) => last.headline?.[figure] !== undefined)
    .map(([figure, now]) => {
      const before = last.headline[figure];
      return [figure, fixed(now, 2), fixed(before, 2), fixed(now / before, 2)];
    });
  return rows.length === 0
    ? ''
    : `${table(['', 'now', `${file.slice(0, 10)}, ${last.commit?.slice(0, 7)}`, 'ratio'], rows)}\n`;
}

function store(name, report) {
  mkdirSync(RESULTS, { recursive: true });
  const file = `${RESULTS}/${report.date.slice(0, 10)}-${name}.json`;
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  return file;
}

try {
  const { chosen, help, options } = parse();
  if (help) process.stdout.write(usage());
  mkdirSync(RESULTS, { recursive: true });
  for (const scenario of help ? [] : chosen) {
    const name = options.stream && scenario === turns ? `${scenario.name}-stream` : scenario.name;
    const { results, headline, text } = await scenario.run(options);
    const comparison = sinceLast(name, headline);
    const date = new Date().toISOString();
    const file = store(name, { scenario: name, date, ...circumstances(), options, headline, results });
    process.stdout.write(`\n${name}\n\n${text}\n${comparison}${file}\n`);
  }
} catch (error) {
  process.stderr.write(`${error.message}\n\n${usage()}`);
  process.exitCode = 1;
}
