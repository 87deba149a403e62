import { Contract, pathWith, queryOf, valueAt, withValueAt } from '../contract.mjs';
import { each } from '../client.mjs';
import { MARK, POLLUTIONS, TEXT_PAYLOADS, VALUE_PAYLOADS } from '../payloads.mjs';
import { Person } from '../people.mjs';

/** A little less than what a payload sleeps. */
const SLEPT_MS = 5500;
/** What says itself that it is no fault; nothing else may be a 5xx. */
const SAID = new Set(['overloaded', 'provider_rejected']);
/** Headers that every route reads in one place, and where they are tried. */
const COMMON_HEADERS = ['user-agent', 'x-request-id', 'accept', 'accept-language'];
const COMMON_ROUTES = new Set(['GET /users/me', 'POST /projects', 'POST /chat', 'POST /auth/login']);
/** Fields that are kept in another spelling than they came in. */
const NORMALISED = new Set(['email', 'username']);
/** Places of JSON that belong to the client: any value is right there. */
const isFree = (place) => place[0] === 'metadata' || place[0] === 'message';
/** They end what the attacker stands on; they take no text but the password, and that is tried at their neighbours. */
const isEnd = ({ name }) => name === 'POST /auth/logout';

/**
 * Payloads into every text of every body, every query, every path and every header that the contract names, and objects where
 * texts belong. Nothing may break, run, be forged or come back changed.
 */
export async function inject({ target, report, some }) {
  const contract = new Contract(target.contract);
  const before = await schemaOf(target);
  const attacker = await Attacker.make(target, contract, report);
  const operations = contract.operations.filter((operation) => !isEnd(operation));
  const isLast = ({ method }) => method === 'DELETE';
  for (const operation of [...operations.filter((one) => !isLast(one)), ...operations.filter(isLast)]) {
    if (isLast(operation)) await attacker.refresh();
    await each(some(triesOf(contract, operation)), 12, (one) => attacker.send(operation, one));
  }
  for (const operation of operations.filter(({ body }) => body !== null)) {
    for (const raw of POLLUTIONS) await attacker.send(operation, { what: `pollution ${raw}`, raw });
  }
  await attacker.lookAround(before);
}

/** Every place of an operation with every payload. */
function triesOf(contract, operation) {
  const places = operation.body === null ? [] : contract.texts(operation.body);
  const required = operation.body === null ? undefined : contract.sample(operation.body);
  const inBody = places.flatMap((place) =>
    [...TEXT_PAYLOADS, ...VALUE_PAYLOADS].map((value) => ({ what: place.join('.'), place, value, required })),
  );
  const asText = (value) => (typeof value === 'string' ? value : JSON.stringify(value)).toWellFormed();
  const inQuery = operation.query.flatMap(({ name }) =>
    [...TEXT_PAYLOADS, ...VALUE_PAYLOADS].map((value) => ({
      what: `?${name}`,
      query: { [name]: asText(value) },
      required,
    })),
  );
  const inPath = operation.pathIds.flatMap((name) =>
    TEXT_PAYLOADS.map((value) => ({ what: `{${name}}`, path: { [name]: asText(value) }, required })),
  );
  const headers = [
    ...operation.headers.map(({ name }) => name),
    ...(COMMON_ROUTES.has(operation.name) ? COMMON_HEADERS : []),
  ];
  // What no client can send, the attack by raw bytes sends.
  const inHeaders = TEXT_PAYLOADS.filter((value) => /^[\x20-\x7e\x80-\xff]+$/.test(value)).flatMap((value) =>
    headers.map((name) => ({ what: name, headers: { [name]: value }, required })),
  );
  return [...inBody, ...inQuery, ...inPath, ...inHeaders];
}

class Attacker {
  static async make(target, contract, report) {
    const attacker = Object.assign(new Attacker(), { target, contract, report });
    attacker.person = await Person.register(target);
    await attacker.refresh();
    return attacker;
  }

  /** A sign-in and belongings in place of those that an attack has ended. */
  async refresh() {
    await this.person.signIn();
    this.ids = await this.person.belongings();
  }

  async send(operation, given) {
    let answer = await this.#call(operation, given);
    // A busy machine is slow once, a payload that sleeps sleeps again.
    if (answer.ms > SLEPT_MS && /sleep/.test(JSON.stringify(given))) answer = await this.#call(operation, given);
    if (answer.status === 401 && !operation.isPublic) {
      // The attack has ended its own sign-in, or was one on it.
      await this.person.signIn();
    }
    const { what, value = given.raw ?? given.query ?? given.path ?? given.headers } = given;
    const label = `${operation.name} ${what} = ${JSON.stringify(value).slice(0, 80)}`;
    const harm = this.#harmOf(operation, given, answer);
    this.report.judge(label, harm === null, { status: answer.status, text: `${harm} ${answer.text.slice(0, 150)}` });
  }

  #call(operation, { place, value, required, query = {}, path = {}, headers = {}, raw }) {
    const { method, isPublic } = operation;
    const ids = Object.fromEntries(this.contract.idsBeside(operation).map((name) => [name, this.ids[name]]));
    const inBody =
      operation.body === null
        ? {}
        : Object.fromEntries(Object.entries(ids).filter(([name]) => name in (required ?? {})));
    const sample = operation.body === null ? undefined : { ...required, ...inBody };
    if (operation.name === 'POST /chat' && sample !== undefined) sample.project_id = this.ids.project_id;
    const needed = operation.query.filter((parameter) => parameter.required).map(({ name }) => [name, this.ids[name]]);
    const where = pathWith(operation.path, { ...this.ids, receipt_id: this.ids.project_id, ...path });
    return this.target.client.call(
      this.target.main,
      method,
      where + queryOf({ ...Object.fromEntries(needed), ...query }),
      {
        ...(isPublic ? {} : { token: this.person.token }),
        headers,
        ...(raw === undefined ? { body: place === undefined ? sample : withValueAt(sample, place, value) } : { raw }),
      },
    );
  }

  /** Null when nothing has happened that a payload wanted to happen, else what. */
  #harmOf(operation, { place, value, raw, ...given }, { status, headers, text, body, ms }) {
    const { 'x-request-id': _echo, ...others } = headers;
    if (status === 0) return 'no answer';
    if (status >= 500 && !SAID.has(body?.code)) return 'a failure of the server';
    if (ms > SLEPT_MS && /sleep/.test(JSON.stringify([value, raw, given]))) return 'slept';
    if (JSON.stringify(others).includes(MARK) || 'set-cookie' in headers) return 'a header was forged';
    if (/root:[x*]?:0:0|\[extensions\]/.test(text)) return 'a file was read';
    const isPage = operation.path.startsWith('/docs');
    if (/html/.test(headers['content-type'] ?? '') && !isPage) return 'an answer is HTML';
    if (status === 204 || status === 202) return null;
    if (headers['x-content-type-options'] !== 'nosniff') return 'may be sniffed';
    if (status > 299) return null;
    if (raw !== undefined) return JSON.stringify(body).includes('polluted') ? 'an object was polluted' : null;
    if (place === undefined) return null;
    if (typeof value !== 'string' && !isFree(place)) {
      return 'a value that is no text was taken';
    }
    const stored = body === null ? undefined : (valueAt(body, place) ?? valueAt(body.user_message, ['content']));
    const isEqual = JSON.stringify(stored) === JSON.stringify(value) || NORMALISED.has(place[0]);
    const isShown = typeof stored === 'string' && place.length === 1 && place[0] in body;
    return isShown && !isEqual ? 'it came back changed' : null;
  }

  /** What may have happened somewhere else than in the answers. */
  async lookAround(before) {
    const { target, report } = this;
    report.judge('the schema is as it was', (await schemaOf(target)) === before);
    const admins = await target.query(`select email from users where role = 'admin' and email <> all ($1)`, [
      target.admins,
    ]);
    report.judge('nobody has become an admin', admins.length === 0, { status: admins.length });
    const lines = target.main.log;
    const forged = lines.filter((line) => lineIsForged(line));
    report.judge(`no line of the log is forged (of ${lines.length})`, forged.length === 0, forged[0]);
    const empty = await this.person.call('POST', '/projects', { body: {} });
    report.judge('an empty body has inherited nothing', empty.status === 422, empty);
    const { body } = await this.person.call('POST', '/projects', { body: { name: 'after' } });
    report.judge('nothing new is polluted', !JSON.stringify(body).includes(MARK), JSON.stringify(body));
    const odd = target.model.requests.find(({ headers }) => JSON.stringify(headers).includes(MARK));
    report.judge('no header to the model is forged', odd === undefined, JSON.stringify(odd?.headers));
  }
}

/** A line of the log is one object, with its own level and its own words. */
function lineIsForged(line) {
  try {
    const { level, time, msg = '' } = JSON.parse(line);
    return typeof level !== 'string' || typeof time !== 'string' || level === 'fatal' || msg.includes(MARK);
  } catch {
    return true;
  }
}

async function schemaOf(target) {
  const rows = await target.query(
    `select table_name, column_name, data_type from information_schema.columns where table_schema = 'public' order by 1, 2`,
  );
  const routines = await target.query(`select count(*) from pg_proc`);
  return JSON.stringify([rows, routines]);
}
