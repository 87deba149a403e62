/**
 * The cost of size: the same requests to a small database and to one with `--rows` messages, to a short session and to
 * one of a hundred thousand messages, to a user with a few pages of sessions and to one with ten thousand. The requests alternate; both servers run
 * side by side.
 */
import { fixed, median, quantile, spread, table } from '../figures.mjs';
import { Harness, query } from '../harness.mjs';
import { parley } from '../peers.mjs';
import { Stage } from '../stage.mjs';

const LONG_SESSION = 100_000;
const MANY_SESSIONS = 10_000;
/** Enough sessions for a full page. */
const FEW_SESSIONS = 50;
/** The bulk data, which no client uses: messages per session, sessions per user. */
const [PER_SESSION, PER_USER] = [100, 20];
const REQUESTS = 150;

export const growth = {
  name: 'growth',
  summary: `--rows messages (default 1,000,000) against a few, sessions of ${LONG_SESSION}, users with ${MANY_SESSIONS} sessions`,
  run: (options) => Harness.run(options, (harness) => measure(harness, options)),
};

async function measure(harness, options) {
  const stage = await Stage.set(harness, options, { users: 4 });
  const small = await stage.start(parley());
  const big = await stage.start(parley());
  process.stderr.write(`filling ${options.rows} messages\n`);
  const [plain, long, many] = stage.dataset;
  await fillBulk(big.databaseUrl, options.rows);
  await fillLongSession(big.databaseUrl, long);
  await fillSessions(big.databaseUrl, plain, FEW_SESSIONS);
  await fillSessions(big.databaseUrl, many, MANY_SESSIONS);
  await query(big.databaseUrl, 'vacuum analyze');
  const ask = stage.client();
  const pairs = [
    ['a turn, database of --rows messages', stage.turnOf(small.url, plain), stage.turnOf(big.url, plain)],
    ['a turn, session of 100,000', stage.turnOf(big.url, plain), stage.turnOf(big.url, long)],
    ['newest messages, session of 100,000', ...[plain, long].map((user) => messagesOf(stage, big.url, user))],
    ['sessions of a user with 10,000', ...[plain, many].map((user) => sessionsOf(stage, big.url, user))],
    ['search by title, found early', ...[plain, many].map((user) => sessionsOf(stage, big.url, user, '&q=talk'))],
    ['search by title, found nowhere', ...[plain, many].map((user) => sessionsOf(stage, big.url, user, '&q=zebra'))],
  ];
  for (const [, ...targets] of pairs) for (const target of targets) await ask({ target, count: 300, concurrency: 1 });
  const results = pairs.map(([name]) => ({ name, few: [], many: [] }));
  for (let round = 0; round < options.rounds; round += 1) {
    for (const [i, [, few, lots]] of pairs.entries()) {
      results[i].few.push(await p50(ask, few));
      results[i].many.push(await p50(ask, lots));
    }
  }
  for (const result of results) result.ratio = result.many.map((value, i) => value / result.few[i]);
  const rows = results.map(({ name, few, many, ratio }) => [
    name,
    fixed(median(few), 2),
    fixed(median(many), 2),
    spread(ratio, 2),
  ]);
  const headline = Object.fromEntries(results.map(({ name, ratio }) => [name, median(ratio)]));
  return { results, headline, text: table(['', 'few: p50 ms', 'many: p50 ms', 'ratio'], rows) };
}

async function p50(ask, target) {
  return quantile((await ask({ target, count: REQUESTS, concurrency: 1 })).total, 0.5);
}

function messagesOf(stage, url, user) {
  return stage.reads(url, user, `/chat/sessions/${user.sessions[0].id}/messages?order=desc&limit=20`);
}

function sessionsOf(stage, url, user, search = '') {
  return stage.reads(url, user, `/chat/sessions?project_id=${user.projectId}&limit=20${search}`);
}

const uuid = (kind, number) => `('01900000-${kind}-7000-8000-' || lpad(to_hex(${number}), 12, '0'))::uuid`;
const WORDS = `'the of and to in is that it for was on are as with they be at one have this from ' || n`;

/** Disables foreign keys and triggers, because the generated rows are consistent. */
async function fill(url, statements) {
  await query(url, ['set session_replication_role = replica', ...statements].join(';\n'));
}

async function fillBulk(url, rows) {
  const sessions = Math.ceil(rows / PER_SESSION);
  const users = Math.ceil(sessions / PER_USER);
  const userOf = (session) => uuid('b001', `(${session}) / ${PER_USER}`);
  await fill(url, [
    `insert into users (id, email, password_hash) select ${uuid('b001', 'n')}, 'bulk' || n || '@bench.example', 'none' from generate_series(0, ${users}) n`,
    `insert into projects (user_id, id, name) select ${uuid('b001', 'n')}, ${uuid('b002', 'n')}, 'Bulk' from generate_series(0, ${users}) n`,
    `insert into chat_sessions (user_id, id, project_id, title, last_seq, last_message_id)
     select ${userOf('n')}, ${uuid('b003', 'n')}, ${uuid('b002', `n / ${PER_USER}`)}, 'Talk ' || n, ${PER_SESSION}, ${uuid('b004', `n * ${PER_SESSION} + ${PER_SESSION}`)}
     from generate_series(0, ${sessions - 1}) n`,
    `insert into messages (user_id, id, session_id, parent_id, seq, role, content, content_tokens, status, completed_at)
     select ${userOf(`(n - 1) / ${PER_SESSION}`)}, ${uuid('b004', 'n')}, ${uuid('b003', `(n - 1) / ${PER_SESSION}`)},
       case when n % ${PER_SESSION} = 1 then null else ${uuid('b004', 'n - 1')} end, (n - 1) % ${PER_SESSION} + 1,
       case when n % 2 = 1 then 'user' else 'assistant' end, ${WORDS}, 25, 'completed', now()
     from generate_series(1, ${sessions * PER_SESSION}) n`,
  ]);
}

/** Extends the first session of the user to LONG_SESSION messages. */
async function fillLongSession(url, { id, sessions: [session] }) {
  const has = session.messages.length;
  await fill(url, [
    `insert into messages (user_id, id, session_id, parent_id, seq, role, content, content_tokens, status, completed_at)
     select '${id}', ${uuid('b005', 'n')}, '${session.id}',
       case when n = ${has + 1} then '${session.messages.at(-1).id}'::uuid else ${uuid('b005', 'n - 1')} end, n,
       case when n % 2 = 1 then 'user' else 'assistant' end, ${WORDS}, 25, 'completed', now()
     from generate_series(${has + 1}, ${LONG_SESSION}) n`,
    `update chat_sessions set last_seq = ${LONG_SESSION}, last_message_id = ${uuid('b005', LONG_SESSION)}
     where user_id = '${id}' and id = '${session.id}'`,
  ]);
}

async function fillSessions(url, { id, projectId }, count) {
  await fill(url, [
    `insert into chat_sessions (user_id, id, project_id, title, last_active_at)
     select '${id}', ${uuid('b006', 'n')}, '${projectId}', 'Talk ' || n, now() - n * interval '1 minute'
     from generate_series(1, ${count}) n`,
  ]);
}
