/** The same users, projects, prompts, sessions and messages for every peer, each in the tables of that peer. */
import { createHmac } from 'node:crypto';
import { query, randomFrom } from './harness.mjs';

const SESSIONS_PER_USER = 4;
const PROMPTS_PER_PROJECT = 2;
/** The messages of the history that a turn reads: fewer than each session has at first, so that every turn reads the same number. */
export const HISTORY_MESSAGES = 10;
/** The number of messages that each model call must contain. */
export const MESSAGES_PER_CALL = PROMPTS_PER_PROJECT + HISTORY_MESSAGES + 1;
const VARIETY = 25;
const WORDS = (
  'the of and to in is that it for was on are as with they be at one have this from by hot word but what some we can out ' +
  'other were all there when up use your how said an each she which do their time if will way about many then them write ' +
  'would like so these her long make thing see him two has look more day could go come did number sound no most people my ' +
  'over know water than call first who may down side been now find any new work part take get place made live where after ' +
  'back little only round man year came show every good me give our under name very through just form sentence great think'
).split(' ');

export function makeDataset({ seed, users }) {
  const random = randomFrom(seed);
  const text = (words) => Array.from({ length: words }, () => WORDS[Math.floor(random() * WORDS.length)]).join(' ');
  const times = (count, make) => Array.from({ length: count }, (_, index) => make(index));
  let serial = 0;
  // Version 7 like Parley's ids, but reproducible from the seed.
  const id = () => {
    serial += 1;
    const hex = (digits) => times(digits, () => Math.floor(random() * 16).toString(16)).join('');
    return `01900000-${serial.toString(16).padStart(4, '0').slice(-4)}-7${hex(3)}-8${hex(3)}-${hex(12)}`;
  };
  return times(users, (number) => ({
    id: id(),
    email: `user${number}@bench.example`,
    projectId: id(),
    prompts: times(PROMPTS_PER_PROJECT, () => ({ id: id(), content: text(40) })),
    questions: times(VARIETY, () => `${text(20)}?`),
    sessions: times(SESSIONS_PER_USER, () => ({
      id: id(),
      messages: times(HISTORY_MESSAGES, () => ({ id: id(), content: text(30) })),
    })),
  }));
}

/** The data that the clients need. */
export function loadPlan(dataset, accessKey, answer) {
  const sessions = dataset.flatMap((user) => {
    const token = accessToken(accessKey, user.id);
    return user.sessions.map(({ id }) => ({
      token,
      messages: user.questions,
      projectId: user.projectId,
      sessionId: id,
    }));
  });
  return { sessions, answer };
}

function accessToken(key, userId) {
  const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: userId, sid: userId, iat: now, exp: now + 86_400, iss: 'parley', aud: 'parley-api' };
  const signed = `${encode({ alg: 'HS256', typ: 'at+jwt', kid: key.id })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', key.bytes).update(signed).digest('base64url')}`;
}

const tokensOf = (text) => Math.ceil(text.length / 4);
const roleOf = (index) => (index % 2 === 0 ? 'user' : 'assistant');

/** Fills the tables of Parley's migrations; `raw` uses the same schema. */
export async function fillParley(url, dataset) {
  await insert(url, 'users', ['id', 'email', 'password_hash'], dataset, (user) => [[user.id, user.email, 'none']]);
  await insert(url, 'projects', ['user_id', 'id', 'name'], dataset, (user) => [[user.id, user.projectId, 'Bench']]);
  const prompt = ['user_id', 'id', 'project_id', 'content', 'content_tokens', 'position'];
  await insert(url, 'prompts', prompt, dataset, (user) =>
    user.prompts.map(({ id, content }, i) => [user.id, id, user.projectId, content, tokensOf(content), i]),
  );
  const session = ['user_id', 'id', 'project_id', 'last_seq', 'last_message_id'];
  await insert(url, 'chat_sessions', session, dataset, (user) =>
    user.sessions.map(({ id, messages }) => [user.id, id, user.projectId, messages.length, messages.at(-1).id]),
  );
  const message = ['user_id', 'id', 'session_id', 'parent_id', 'seq', 'role', 'content', 'content_tokens', 'status'];
  await insert(url, 'messages', [...message, 'completed_at'], dataset, (user) =>
    user.sessions.flatMap(({ id: sessionId, messages }) =>
      messages.map(({ id, content }, i) => [
        ...[user.id, id, sessionId, messages[i - 1]?.id ?? null, i + 1, roleOf(i)],
        ...[content, tokensOf(content), 'completed', '2026-01-01T00:00:00Z'],
      ]),
    ),
  );
  await query(url, 'analyze');
}

/** Fills the tables that the ordinary Nest server has created. */
export async function fillNaive(url, dataset) {
  await insert(url, 'users', ['id', 'email'], dataset, (user) => [[user.id, user.email]]);
  await insert(url, 'projects', ['id', 'user_id', 'name'], dataset, (user) => [[user.projectId, user.id, 'Bench']]);
  await insert(url, 'prompts', ['id', 'project_id', 'content', 'position'], dataset, (user) =>
    user.prompts.map(({ id, content }, i) => [id, user.projectId, content, i]),
  );
  await insert(url, 'chat_sessions', ['id', 'project_id'], dataset, (user) =>
    user.sessions.map(({ id }) => [id, user.projectId]),
  );
  await insert(url, 'messages', ['id', 'session_id', 'role', 'content', 'created_at'], dataset, (user) =>
    user.sessions.flatMap(({ id: sessionId, messages }) =>
      messages.map(({ id, content }, i) => [
        id,
        sessionId,
        roleOf(i),
        content,
        new Date(Date.UTC(2026, 0, 1, 0, 0, i)),
      ]),
    ),
  );
  await query(url, 'analyze');
}

/** Inserts all rows in one statement; `rowsOf` makes those of one user. */
async function insert(url, tableName, columns, dataset, rowsOf) {
  const rows = dataset
    .flatMap(rowsOf)
    .map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
  await query(
    url,
    `insert into ${tableName} (${columns}) select ${columns} from json_populate_recordset(null::${tableName}, $1)`,
    [JSON.stringify(rows)],
  );
}
