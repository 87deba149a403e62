import { Contract, pathWith, queryOf } from '../contract.mjs';
import { each, visible } from '../client.mjs';
import { Person } from '../people.mjs';

const OWNED = {
  id: '00000000-0000-7000-8000-000000000001',
  user_id: '00000000-0000-7000-8000-000000000001',
  userId: '00000000-0000-7000-8000-000000000001',
  owner_id: '00000000-0000-7000-8000-000000000001',
  role: 'admin',
  is_admin: true,
  isAdmin: true,
  admin: true,
  plan: 'unlimited',
  credit: 1e9,
  email_verified: true,
  email_verified_at: '2000-01-01T00:00:00Z',
  password_hash: 'x',
  disabled_at: null,
  created_at: '2000-01-01T00:00:00Z',
  updated_at: '2000-01-01T00:00:00Z',
  status: 'completed',
  seq: 1,
  version: 7,
  position: -1,
  prefix: 'prk_mine',
  key_hash: 'x',
  hint: 'x',
  finish_reason: 'stop',
  usage: { input_tokens: 0 },
  cost_micro_usd: 0,
  attempt: 9,
  claim_id: '00000000-0000-7000-8000-000000000001',
};

/** Fields that belong to the server, beside what every write takes: each is refused by its name, and nothing is written. */
export async function assignFields({ target, report, some }) {
  const contract = new Contract(target.contract);
  const ada = await Person.register(target);
  // Routes for admins refuse everybody else before they look at a body.
  await target.promote(ada);
  const ids = await ada.belongings();
  const rows = () => target.query('select to_jsonb(u) as row from users u where id = $1', [ada.id]);
  const [before] = await rows();
  for (const operation of contract.operations.filter(({ body }) => body !== null)) {
    const { method, path, isPublic, body: schema, name: where } = operation;
    const mine = Object.fromEntries(contract.idsBeside(operation).map((name) => [name, ids[name]]));
    const required = contract.sample(schema);
    const sample = { ...required, ...Object.fromEntries(Object.entries(mine).filter(([name]) => name in required)) };
    const foreign = Object.entries(OWNED).filter(([name]) => !(name in schema.properties));
    await each(some(foreign), 8, async ([name, value]) => {
      const options = isPublic ? { token: undefined } : {};
      const answer = await ada.call(method, pathWith(path, ids), { ...options, body: { ...sample, [name]: value } });
      const isNamed = answer.body?.errors?.some(({ pointer }) => pointer === `/${name}`) === true;
      report.judge(`${where} ${name}`, answer.status === 422 && isNamed, answer);
    });
  }
  for (const operation of contract.operations.filter(({ method, isPublic }) => method === 'GET' && !isPublic)) {
    await overrideByQuery(operation, ada, ids, report);
  }
  const [after] = await rows();
  report.judge('the account is as it was', JSON.stringify(after) === JSON.stringify(before), JSON.stringify(after));
}

/** A query cannot choose the user whose list is read either: it is refused, or it changes nothing. */
async function overrideByQuery({ path, query, name: where, isStream }, ada, ids, report) {
  if (isStream || path === '/users/me/export') return;
  const needed = Object.fromEntries(query.filter(({ required }) => required).map(({ name }) => [name, ids[name]]));
  const plain = visible(await ada.call('GET', pathWith(path, ids) + queryOf(needed)));
  for (const extra of [{ user_id: ids.project_id }, { role: 'admin' }, { include_deleted: 'true' }]) {
    const answer = await ada.call('GET', pathWith(path, ids) + queryOf({ ...needed, ...extra }));
    report.judge(`${where} ?${Object.keys(extra)}`, answer.status === 422 || visible(answer) === plain, answer);
  }
}
