import { randomUUID } from 'node:crypto';
import { Contract, pathWith } from '../contract.mjs';
import { Person } from '../people.mjs';

const AT_ONCE = 20;

/** An Idempotency-Key is its user's alone: whoever else sends it gets nothing of what was answered to it. */
export async function borrowKeys({ target, report }) {
  const contract = new Contract(target.contract);
  const [ada, eve] = [await Person.register(target), await Person.register(target)];
  const adas = await ada.belongings();
  const writes = contract.operations.filter(
    ({ method, isPublic, headers }) => method !== 'GET' && !isPublic && headers.length > 0,
  );
  for (const operation of writes) await borrow(contract, operation, { ada, eve, adas }, report);
  await bound(ada, report);
  await race(ada, report);
  await reuse(ada, report);
}

async function borrow(contract, { method, path, name, body: schema }, { ada, eve, adas }, report) {
  if (['DELETE', 'POST /auth/logout', 'POST /users/me/password'].some((end) => name.startsWith(end))) return;
  const key = randomUUID();
  const sample = schema === null ? undefined : contract.sample(schema);
  const body = sample === undefined ? undefined : { ...sample };
  if (body !== undefined)
    for (const id of contract.idsBeside({ query: [], body: schema }))
      if (id in body || name === 'POST /chat') body[id] = adas[id];
  if (name === 'POST /chat') delete body.session_id;
  if (name === 'POST /chat') delete body.parent_id;
  const headers = { 'idempotency-key': key };
  const where = pathWith(path, adas);
  const first = await ada.call(method, where, { headers, body });
  const borrowed = await eve.call(method, where, { headers, body });
  // An error repeats the path that was asked for.
  const said = borrowed.text.replace(/"instance":"[^"]*"/, '');
  const isReplay = borrowed.headers['idempotent-replayed'] !== undefined;
  const shows =
    first.status < 300 && Object.values(first.body ?? {}).some((value) => isTelling(value) && said.includes(value));
  report.judge(`${name} (${first.status})`, !isReplay && !shows, borrowed);
}

/** Ids and secrets; short words and times may well be the same. */
const isTelling = (value) =>
  typeof value === 'string' && /^([0-9a-f-]{36}|prk_.*)$/.test(value) && !value.startsWith('00000000');

/** A key for the API that is bound to a project does not meet what the user did elsewhere. */
async function bound(ada, report) {
  const { id: project_id } = await ada.must('POST', '/projects', { body: { name: 'Bound' } });
  const { id: other } = await ada.must('POST', '/projects', { body: { name: 'Other' } });
  const { key: token } = await ada.apiKey({ project_id });
  const headers = { 'idempotency-key': randomUUID() };
  const body = { project_id: other, message: 'Only for the other project' };
  const first = await ada.must('POST', '/chat', { headers, body });
  const answer = await ada.call('POST', '/chat', { token, headers, body });
  report.judge('a bound API key', answer.status === 404 && !answer.text.includes(first.session_id), answer);
}

/** Twenty at once with one key are one. */
async function race(ada, report) {
  for (const [path, body] of [
    ['/projects', { name: 'Once' }],
    ['/auth/api-keys', { name: 'Once', scopes: ['read'] }],
  ]) {
    const headers = { 'idempotency-key': randomUUID() };
    const answers = await Promise.all(Array.from({ length: AT_ONCE }, () => ada.call('POST', path, { headers, body })));
    const made = new Set(answers.filter(({ status }) => status === 201).map((answer) => answer.body.id));
    for (const answer of answers)
      report.judge(`many at once: ${path}`, made.size === 1 && [201, 409].includes(answer.status), answer);
    const keys = new Set(answers.map(({ body: seen }) => seen?.key).filter((key) => typeof key === 'string'));
    for (const key of keys) ada.target.secrets.add('API key', key);
    report.judge(`a secret is shown once: ${path}`, keys.size <= 1);
  }
}

/** The same key for another request is a mistake, and tells nothing. */
async function reuse(ada, report) {
  const headers = { 'idempotency-key': randomUUID() };
  const first = await ada.must('POST', '/projects', { headers, body: { name: 'First' } });
  for (const body of [{ name: 'Second' }, { name: 'First', description: null }, {}]) {
    const answer = await ada.call('POST', '/projects', { headers, body });
    report.judge('for another request', answer.status === 422 && !answer.text.includes(first.id), answer);
  }
  for (const key of ['', ' ', 'a b', 'ä', 'x'.repeat(256), 'x'.repeat(5000)]) {
    const answer = await ada.call('POST', '/projects', { headers: { 'idempotency-key': key }, body: { name: 'Odd' } });
    report.judge(
      `a key of ${key.length} characters`,
      answer.status === 422 || (key === '' && answer.status === 201),
      answer,
    );
  }
}
