import { Contract, pathWith, queryOf, withValueAt } from '../contract.mjs';
import { Person } from '../people.mjs';

/** A pattern that goes astray on these takes minutes; what is linear takes milliseconds. */
const LIMIT_MS = 2500;
const times = (text, count) => text.repeat(count);

const LONG = 40_000;
const TEXTS = [
  `${times('a', LONG)}!`,
  `${times('a.', LONG / 2)}@`,
  `a@${times('a.', LONG / 2)}`,
  `a@${times('a-', LONG / 2)}`,
  `"${times('\\"', LONG / 2)}@a.b`,
  `${times('@', LONG)}`,
  `https://${times('a.', LONG / 2)}`,
  `https://a/${times('/', LONG)}\0`,
  `https://[${times(':', LONG)}`,
  `${times('1', LONG)}T`,
  `2026-01-01T00:00:00.${times('0', LONG)}x`,
  `${times(' ', LONG)}x`,
  `${times('\t', LONG)}x`,
  `${times('-', LONG)}`,
  `${times('0-', LONG / 2)}`,
  `data:image/png;base64,${times('A', LONG)}!`,
  `${times('{{', LONG / 2)}`,
  `${times('\\', LONG)}`,
  `${times('%', LONG)}`,
  `${times('e\u0301', LONG / 2)}`,
];
/** As long as headers may be. */
const inHeader = (text) => text.slice(0, 8000).replace(/[^\x20-\x7e]/g, 'x');
const HEADERS = [
  'authorization',
  'accept',
  'content-type',
  'if-match',
  'idempotency-key',
  'last-event-id',
  'x-request-id',
  'user-agent',
  'cookie',
  'range',
  'accept-encoding',
  'origin',
  'forwarded',
  'x-forwarded-for',
];

/** Texts that send careless regular expressions astray, wherever a text may stand; each alone, so that its time is its own. */
export async function stallPatterns({ target, report, some }) {
  const contract = new Contract(target.contract);
  const ada = await Person.register(target);
  const ids = await ada.belongings();
  const judge = (what, ask) =>
    report.judgeTwice(what, async () => {
      const { status, ms } = await ask();
      return { isRefused: status !== 0 && status < 500 && ms < LIMIT_MS, facts: { status, ms: Math.round(ms) } };
    });
  for (const operation of contract.operations.filter(({ name }) => name !== 'POST /auth/logout')) {
    const { method, path, name, isPublic, body, query } = operation;
    const token = isPublic ? { token: undefined } : {};
    const where = pathWith(path, ids);
    for (const place of body === null ? [] : contract.texts(body)) {
      const long = withValueAt(contract.sample(body), place, '…');
      for (const text of some(TEXTS)) {
        await judge(`${name} ${place.join('.')} = ${text.slice(0, 20)}`, () =>
          ada.call(method, where, { ...token, body: withValueAt(long, place, text) }),
        );
      }
    }
    for (const { name: parameter } of query) {
      for (const text of some(TEXTS)) {
        const values = queryOf({ [parameter]: text.slice(0, 8000).toWellFormed() }).slice(0, 14_000);
        await judge(`${name} ?${parameter} = ${text.slice(0, 20)}`, () => ada.call(method, where + values, token));
      }
    }
  }
  for (const header of HEADERS) {
    for (const text of some([
      ...TEXTS,
      `Bearer${times(' ', 8000)}x`,
      `"${times('1', 8000)}`,
      `${times('1,', 4000)}`,
      `bytes=${times('0-,', 2600)}`,
    ])) {
      await judge(`${header}: ${text.slice(0, 20)}`, () =>
        ada.call('PATCH', `/projects/${ids.project_id}`, {
          headers: { [header]: inHeader(text) },
          body: { name: 'x' },
        }),
      );
    }
  }
}
