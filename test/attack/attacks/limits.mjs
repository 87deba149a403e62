import { Contract, pathWith } from '../contract.mjs';
import { each } from '../client.mjs';
import { Person } from '../people.mjs';

/** An answer to a bomb is a refusal, and a quick one. */
const QUICK_MS = 5000;
const repeat = (text, times) => text.repeat(times);

const BODIES = {
  'lists in lists': repeat('[', 50_000) + repeat(']', 50_000),
  'objects in objects': `${repeat('{"a":', 50_000)}1${repeat('}', 50_000)}`,
  'as deep as it looks harmless': `{"metadata":${repeat('{"a":', 40)}1${repeat('}', 40)}}`,
  'many values': JSON.stringify({ name: Array.from({ length: 100_000 }, () => 1) }),
  'many names': JSON.stringify(Object.fromEntries(Array.from({ length: 60_000 }, (_, i) => [`n${i}`, 1]))),
  'one name, many times': `{${Array.from({ length: 60_000 }, (_, i) => `"name":${i}`).join(',')}}`,
  'too large': JSON.stringify({ name: repeat('x', 2_000_000) }),
  'a number of many digits': `{"name":${repeat('9', 500_000)}}`,
  'a number beyond all': '{"name":1e999999}',
  'never closed': `{"name":"${repeat('x', 100_000)}`,
  'escapes that are none': '{"name":"\\ud800\\udc00\\ud800\\u0000"}',
  'no JSON': repeat('<a>', 1000),
  'a text': '"text"',
  'a list': '[]',
};
const HEADERS = {
  'one long header': { 'x-long': repeat('x', 70_000) },
  'a long token': { authorization: `Bearer ${repeat('x', 70_000)}` },
  'a long cookie': { cookie: repeat('a=b; ', 15_000) },
  'a long key': { 'idempotency-key': repeat('x', 300) },
  'another encoding': { 'content-encoding': 'gzip' },
  'a type that is none': { 'content-type': 'application/xml' },
  'a type with much behind it': { 'content-type': `application/json;${repeat(' a=b;', 1000)}` },
  'another charset': { 'content-type': 'application/json; charset=utf-7' },
};

/** Bodies, headers and addresses that are too deep, too large or too many, on every route that takes any. */
export async function exceedLimits({ target, report, some }) {
  const contract = new Contract(target.contract);
  const ada = await Person.register(target);
  const ids = await ada.belongings();
  const judge = (what, ask) =>
    report.judgeTwice(what, async () => {
      const { status, text, body, ms } = await ask();
      const isRefused = status >= 400 && status < 500 && typeof body?.code === 'string' && ms < QUICK_MS;
      return { isRefused, facts: { status, ms: Math.round(ms), text: text.slice(0, 200) } };
    });
  for (const { method, path, name, isPublic } of contract.operations.filter(({ body }) => body !== null)) {
    const token = isPublic ? { token: undefined } : {};
    await each(some(Object.entries(BODIES)), 4, ([what, raw]) =>
      judge(`${name}: ${what}`, () => ada.call(method, pathWith(path, ids), { ...token, raw })),
    );
  }
  for (const [what, headers] of Object.entries(HEADERS)) {
    await judge(what, () => ada.call('POST', '/projects', { headers, body: { name: 5 } }));
  }
  const names = Array.from({ length: 3000 }, (_, i) => `x-${i}: 1`).join('\r\n');
  const many = await target.client.raw(target.main, `GET /health/live HTTP/1.1\r\nhost: x\r\n${names}\r\n\r\n`);
  report.judge('many headers', /^HTTP\/1\.1 431 /.test(many.text), many.text.slice(0, 100));
  for (const path of [`/${repeat('a', 60_000)}`, `/projects?cursor=${repeat('a', 60_000)}`]) {
    const answer = await ada.call('GET', path);
    report.judge('a long address', [414, 431].includes(answer.status), answer);
  }
  const query = await ada.call('GET', `/projects?${repeat('a=1&', 3500)}`);
  report.judge('many parameters', query.status === 422, query);
  const live = await target.client.call(target.main, 'GET', '/health/live');
  report.judge('it is well after all that', live.status === 200 && live.ms < QUICK_MS, live);
}
