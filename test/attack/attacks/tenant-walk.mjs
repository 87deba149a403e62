import { setTimeout as sleep } from 'node:timers/promises';
import { Contract, pathWith, queryOf } from '../contract.mjs';
import { each, visible } from '../client.mjs';
import { Person } from '../people.mjs';

const MALFORMED = [
  'zz',
  "' or true --",
  '0',
  'null',
  '00000000-0000-0000-0000-00000000000g',
  '\0',
  '%2e%2e',
  'A'.repeat(300),
];
const EXPIRY_MS = 1500;
/** Not about anybody, and open to whoever knows the id. */
const isOpen = ({ path }) => path.startsWith('/erasure-receipts');
/** Tables that say when somebody was here, which an attacker of one's own kin may well change. */
const NOT_COMPARED = new Set(['api_keys', 'audit_events', 'audit_heads', 'rate_limits']);

/**
 * Every route of the contract, with the ids of a victim, by every kind of stranger. To whom something does not belong it
 * answers byte for byte as if it were not there; to whom is nobody, that a token is needed; and nothing changes.
 */
export async function walk({ target, report }) {
  const contract = new Contract(target.contract);
  const ada = await Person.register(target);
  const victim = await ada.belongings();
  const strangers = await strangersOf(target, ada);
  const rows = await rowsOf(target, ada);
  const withIds = contract.operations.filter((one) => waysOf(contract, one).length > 0 && !isOpen(one));
  for (const operation of withIds) {
    await reach(contract, operation, { ada, victim, strangers }, report);
    await nobodyReaches(contract, operation, { ada, victim, strangers }, report);
  }
  const isClosed = ({ isPublic }) => !isPublic;
  for (const operation of contract.operations.filter(isClosed)) {
    for (const [kind, token] of Object.entries(strangers.nobody)) {
      const answer = await ada.call(operation.method, pathWith(operation.path, victim), {
        token,
        body: sampleOf(contract, operation),
      });
      report.judge(
        `${kind}: ${operation.name}`,
        answer.status === 401 && answer.body.code === 'unauthenticated',
        answer,
      );
    }
  }
  await scopes(contract, ada, victim, report);
  const after = await rowsOf(target, ada);
  for (const [table, before] of Object.entries(rows))
    report.judge(`no row of ${table} has changed`, after[table] === before);
}

/** Those who have an account or a key, but not to these things; and those who have nothing that is good any more. */
async function strangersOf(target, ada) {
  const [eve, gone, disabled] = [
    await Person.register(target),
    await Person.register(target),
    await Person.register(target),
  ];
  const own = await eve.belongings();
  const { id: project_id } = await ada.must('POST', '/projects', { body: { name: 'Another' } });
  const kin = await ada.apiKey({ project_id });
  const revoked = await ada.apiKey();
  const expired = await ada.apiKey({ expires_at: new Date(Date.now() + EXPIRY_MS).toISOString() });
  await ada.must('GET', '/projects', { token: revoked.key });
  await ada.must('DELETE', `/auth/api-keys/${revoked.id}`);
  const left = await Person.register(target);
  await left.must('POST', '/auth/logout');
  await gone.must('DELETE', '/users/me', { body: { password: gone.password } });
  await target.promote(eve);
  await eve.must('POST', `/admin/users/${disabled.id}/disable`);
  await target.demote(eve);
  await sleep(EXPIRY_MS);
  return {
    somebody: { 'another user': { token: eve.token, own }, 'a key of another project': { token: kin.key, own: {} } },
    nobody: {
      'no token': undefined,
      'an expired key': expired.key,
      'a revoked key': revoked.key,
      'a deleted account': gone.token,
      'a disabled account': disabled.token,
      'an ended sign-in': left.token,
      'a refresh token': ada.refreshToken,
    },
  };
}

/** Ways to name the things of `ids`: in the path, and in each field that takes an id, alone and beside one's own. */
function waysOf(contract, operation) {
  const { pathIds, query, body } = operation;
  const beside = contract.idsBeside(operation);
  const inQuery = new Set(query.map(({ name }) => name));
  const ways = pathIds.length > 0 ? [{ path: true, fields: [], owns: [] }] : [];
  for (const name of beside) {
    const others = beside.filter((other) => other !== name && !inQuery.has(other));
    ways.push({ path: true, fields: [name], owns: [] });
    if (pathIds.length > 0 || others.length > 0) ways.push({ path: false, fields: [name], owns: others });
  }
  const isStreamed = operation.isStream && body !== null;
  return isStreamed ? ways.flatMap((way) => [way, { ...way, isStream: true }]) : ways;
}

function sampleOf(contract, { body }) {
  return body === null ? undefined : contract.sample(body);
}

/** The request that names `ids` in this way. */
function requestOf(contract, operation, { path, fields, owns, isStream }, ids, own) {
  const inQuery = new Set(operation.query.map(({ name }) => name));
  const of = (name) => (fields.includes(name) ? ids[name] : own[name]);
  const named = [...fields, ...owns];
  const required = operation.query
    .filter((one) => one.required && !fields.includes(one.name))
    .map(({ name }) => [name, ids[name]]);
  const query = [...required, ...named.filter((name) => inQuery.has(name)).map((name) => [name, of(name)])];
  const body = operation.body === null ? undefined : sampleOf(contract, operation);
  for (const name of named) if (!inQuery.has(name)) body[name] = of(name);
  for (const name of contract.idsBeside(operation))
    if (body?.[name] !== undefined && !named.includes(name)) body[name] = ids[name];
  if (isStream) body.stream = true;
  return [pathWith(operation.path, path ? ids : { ...ids, ...own }) + queryOf(Object.fromEntries(query)), body];
}

const UNKNOWN = '0199ffff-0000-7000-8000-0123456789ab';

function unknownIds(victim) {
  return Object.fromEntries(Object.keys(victim).map((name) => [name, name === 'prompt_ids' ? [UNKNOWN] : UNKNOWN]));
}

async function reach(contract, operation, { ada, victim, strangers }, report) {
  for (const [kind, { token, own }] of Object.entries(strangers.somebody)) {
    const seen = [];
    for (const way of waysOf(contract, operation)) {
      if (way.owns.some((name) => !(name in own)) || (!way.path && !('project_id' in own))) continue;
      const ask = async (ids, headers) => {
        const [path, body] = requestOf(contract, operation, way, ids, own);
        return ada.call(operation.method, path, { token, body, headers });
      };
      for (const headers of operation.isStream ? [{}, { accept: 'text/event-stream' }] : [{}, { 'if-match': '"1"' }]) {
        const unknown = await ask(unknownIds(victim), headers);
        const theirs = await ask(victim, headers);
        seen.push(theirs.status);
        const label = `${kind}: ${operation.name} by ${way.fields.join('+') || 'path'}`;
        report.judge(label, theirs.status > 399 && visible(theirs) === visible(unknown), theirs);
        if (!way.path || way.fields.length > 0) continue;
        await malformed(ask, victim, unknown, label, report);
      }
    }
    const isReached = seen.some((status) => status === 404 || status === 403);
    if (seen.length > 0) report.judge(`${kind}: ${operation.name} gets as far as the id`, isReached, seen.join(' '));
  }
}

async function malformed(ask, victim, unknown, label, report) {
  for (const text of MALFORMED) {
    const answer = await ask(Object.fromEntries(Object.keys(victim).map((name) => [name, text])), {});
    report.judge(`${label}, malformed`, answer.status === 422 || visible(answer) === visible(unknown), answer);
  }
}

async function nobodyReaches(contract, operation, { ada, victim, strangers }, report) {
  for (const [kind, token] of Object.entries(strangers.nobody)) {
    const [way] = waysOf(contract, operation);
    const [path, body] = requestOf(contract, operation, way, victim, {});
    const headers = operation.isStream ? { accept: 'text/event-stream' } : {};
    const answer = await ada.call(operation.method, path, { token, body, headers });
    report.judge(`${kind}: ${operation.name}`, answer.status === 401, answer);
  }
}

/** A key does what its scopes say, and nothing where a route says none. */
async function scopes(contract, ada, victim, report) {
  const all = ['chat', 'read', 'manage'];
  const keys = {};
  for (const scope of all) keys[scope] = (await ada.apiKey({ scopes: [scope] })).key;
  const operations = contract.operations.filter(({ isPublic }) => !isPublic);
  await each(operations, 4, async (operation) => {
    for (const scope of all.filter((one) => !operation.scopes.includes(one))) {
      const body = sampleOf(contract, operation);
      const answer = await ada.call(operation.method, pathWith(operation.path, victim), { token: keys[scope], body });
      report.judge(`a key that may ${scope}: ${operation.name}`, answer.status === 403, answer);
    }
  });
}

/** All rows of a user, a text a table. */
async function rowsOf(target, { id }) {
  const tables = await target.query(
    `select table_name as name from information_schema.columns
     where table_schema = 'public' and column_name = 'user_id' order by 1`,
  );
  const rows = {};
  for (const { name } of tables.filter((table) => !NOT_COMPARED.has(table.name))) {
    const [{ all }] = await target.query(
      `select string_agg(t::text, '|' order by t::text) as all from ${name} t where user_id = $1`,
      [id],
    );
    rows[name] = all;
  }
  return rows;
}
