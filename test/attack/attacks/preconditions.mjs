import { Contract, pathWith } from '../contract.mjs';
import { Person } from '../people.mjs';

const AT_ONCE = 20;
/** Tags that no version has, however they are read. */
const TRICKS = [
  '"0"',
  '"-1"',
  '"2147483648"',
  '"99999999999999999999"',
  '"1e0"',
  '"0x1"',
  '" 1"',
  '"1" or "1"',
  "' or 1=1 --",
  '1',
  '""',
  '"',
  'W/"1"',
  'w/"1"',
  '"1.0"',
  '"01"',
  '"*"',
  '**',
  ', ,',
  '"NaN"',
  '{"$ne":0}',
  '"1"x',
];

/** `If-Match` cannot be bypassed, and of many clients that read the same version only one can write. */
export async function trickPreconditions({ target, report }) {
  const contract = new Contract(target.contract);
  const [ada, eve] = [await Person.register(target), await Person.register(target)];
  const isGuarded = ({ headers, method }) => headers.some(({ name }) => name === 'If-Match') && method !== 'GET';
  const operations = contract.operations.filter(isGuarded);
  for (const { method, path, name, body } of operations) {
    const ids = await ada.belongings();
    const send = (tag, person = ada) =>
      person.call(method, pathWith(path, ids), { headers: { 'if-match': tag }, body: body === null ? undefined : {} });
    for (const tag of TRICKS) {
      const answer = await send(tag);
      report.judge(`${name} ${tag}`, answer.status === 412, answer);
    }
    for (const tag of ['"1"', '*', '"7"']) {
      const answer = await send(tag, eve);
      report.judge(`${name} ${tag}, of another user`, answer.status === 404, answer);
    }
    const there = await ada.call('GET', pathWith(path, ids));
    report.judge(`${name} has done nothing`, there.status === 200, there);
  }
  report.judge('the contract has routes with If-Match', operations.length >= 6);
  for (const [path, field] of [
    ['/projects/{project_id}', 'name'],
    ['/prompts/{prompt_id}', 'content'],
    ['/chat/sessions/{session_id}', 'title'],
  ]) {
    await lostUpdates(ada, path, field, report);
  }
}

async function lostUpdates(ada, path, field, report) {
  const where = pathWith(path, await ada.belongings());
  const { headers } = await ada.call('GET', where);
  const write = (i) =>
    ada.call('PATCH', where, { headers: { 'if-match': headers.etag }, body: { [field]: `by ${i}` } });
  const answers = await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => write(i)));
  const written = answers.filter(({ status }) => status === 200);
  for (const answer of answers) report.judge(`many at once: ${path}`, written.length === 1, answer);
  const late = await write('late');
  report.judge(`the version of before: ${path}`, late.status === 412, late);
}
