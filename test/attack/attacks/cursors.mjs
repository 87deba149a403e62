import { Contract, pathWith, queryOf } from '../contract.mjs';
import { each } from '../client.mjs';
import { Person } from '../people.mjs';

const UNKNOWN = '0199ffff-0000-7000-8000-0123456789ab';
const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const MADE_UP = [
  '',
  '0',
  '-1',
  'null',
  'x',
  UNKNOWN,
  encode([UNKNOWN]),
  encode({ id: UNKNOWN }),
  encode("' or 1=1 --"),
  encode('\0'.repeat(64)),
  'A'.repeat(4000),
  '..',
  '=',
  '%00',
];

/** A cursor is good for the list, and the user, that gave it out: every other one is refused, whatever it says. */
export async function forgeCursors({ target, report, some }) {
  const contract = new Contract(target.contract);
  const [ada, eve] = [await Person.register(target), await Person.register(target)];
  await target.promote(ada);
  const ids = { ada: await longLists(ada), eve: await longLists(eve) };
  const lists = contract.operations.filter(({ query }) => query.some(({ name }) => name === 'cursor'));
  const cursors = {};
  for (const operation of lists) cursors[operation.name] = await cursorOf(operation, ada, ids.ada);
  for (const operation of lists) {
    const ask = (person, whose, cursor) => person.call('GET', addressOf(operation, whose, { cursor, limit: '1' }));
    const own = cursors[operation.name];
    report.judge(`${operation.name} gives a cursor out`, own !== null);
    if (own === null) continue;
    const forged = [...turned(own), ...MADE_UP, own.slice(0, -1), `${own}A`, `${own}=`, own.toUpperCase(), own + own];
    const others = Object.entries(cursors).filter(
      ([name, cursor]) => name !== operation.name && cursor !== null && cursor !== own,
    );
    forged.push(...others.map(([, cursor]) => cursor));
    await each(some(forged.filter((cursor) => cursor !== own)), 8, async (cursor) => {
      const answer = await ask(ada, ids.ada, cursor);
      report.judge(`${operation.name} ${cursor.slice(0, 30)}`, [400, 422].includes(answer.status), answer);
    });
    if (operation.path.startsWith('/admin')) continue;
    const borrowed = await ask(eve, ids.eve, own);
    report.judge(`${operation.name}, of another user`, borrowed.status === 400, borrowed);
  }
  await target.demote(ada);
}

/** With more than one entry in each list. */
async function longLists(person) {
  const first = await person.belongings();
  await person.must('POST', '/projects', { body: { name: 'Second' } });
  await person.must('POST', '/prompts', { body: { project_id: first.project_id, content: 'Second' } });
  await person.must('POST', '/chat/sessions', { body: { project_id: first.project_id } });
  await person.apiKey();
  await person.signIn();
  return first;
}

function addressOf({ path, query }, ids, more) {
  const needed = query.filter(({ required }) => required).map(({ name }) => [name, ids[name]]);
  return pathWith(path, ids) + queryOf({ ...Object.fromEntries(needed), ...more });
}

async function cursorOf(operation, person, ids) {
  const { body } = await person.call('GET', addressOf(operation, ids, { limit: '1' }));
  return body?.next_cursor ?? null;
}

/** The cursor with one bit turned in each of its bytes. */
function turned(cursor) {
  const bytes = Buffer.from(cursor, 'base64url');
  return Array.from(bytes, (_, i) => {
    const copy = Buffer.from(bytes);
    copy[i] ^= 1;
    return copy.toString('base64url');
  });
}
