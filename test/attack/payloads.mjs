/** Stands in every payload that would leave a trace where it is carried out. */
export const MARK = 'parleyattackmark';

const SQL = [
  `' OR '1'='1`,
  `'; DROP TABLE messages; --`,
  `'; UPDATE users SET role = 'admin'; --`,
  `' UNION SELECT password_hash FROM users --`,
  `1; SELECT pg_sleep(6)`,
  `' || pg_sleep(6) || '`,
  `$1; $$; \\'; -- /* */`,
  `%' AND 1=cast(version() as int) --`,
];
const HEADERS = [
  `x\r\nset-cookie: ${MARK}=1`,
  `x\r\n\r\nHTTP/1.1 200 OK\r\nx-${MARK}: 1`,
  `x%0d%0aset-cookie:%20${MARK}=1`,
];
const LOGS = [
  `x\n{"level":"fatal","time":"2026-01-01T00:00:00.000Z","msg":"${MARK}"}`,
  `x","msg":"${MARK}","y":"`,
  `x\u2028${MARK}\u001b[2J\u0007\u0008`,
];
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty'];
const PATHS = [
  '../../../../../../etc/passwd',
  '..%2f..%2f..%2f..%2fetc%2fpasswd',
  '..\\..\\..\\windows\\win.ini',
  '/etc/passwd\0.json',
  'file:///etc/passwd',
];
const TEMPLATES = [
  '{{7*7}}',
  '${7*7}',
  '<%= 7*7 %>',
  '#{7*7}',
  '${process.env.JWT_SECRET}',
  '%s%n%x%d',
  '$(sleep 6)',
  '`sleep 6`',
];
const HTML = [`<script>${MARK}</script>`, `"><img src=x onerror=${MARK}>`, `javascript:${MARK}`];
const TEXT = [
  'a\0b',
  'half \ud83d',
  '\udc00 half',
  '\ufeff\u202e\u0000',
  '💣'.repeat(50),
  '\uffff',
  ' ',
  '',
  '-1',
  '1e999',
  'NaN',
  'null',
  '[]',
];

/** Texts that mean something to somebody who is careless with them. */
export const TEXT_PAYLOADS = [...SQL, ...HEADERS, ...LOGS, ...NAMES, ...PATHS, ...TEMPLATES, ...HTML, ...TEXT];

/** Values of JSON where a text belongs: operators of databases that ask in JSON, and what is no text at all. */
export const VALUE_PAYLOADS = [
  { $ne: null },
  { $gt: '' },
  { $where: 'sleep(6000)' },
  { $regex: '.*' },
  { toString: 1 },
  { length: 9 },
  [],
  [['x']],
  ['x', { $ne: null }],
  0,
  -1,
  1e308,
  true,
];

/** Bodies, as they are on the wire, that would give every object of the server a property. */
export const POLLUTIONS = [
  `{"__proto__":{"${MARK}":1,"name":"polluted","role":"admin"}}`,
  `{"constructor":{"prototype":{"${MARK}":1,"name":"polluted"}}}`,
  `{"__proto__":{"__proto__":{"${MARK}":1}}}`,
  `{"params":{"__proto__":{"${MARK}":1,"temperature":1}}}`,
  `{"metadata":{"__proto__":{"${MARK}":1},"constructor":{"prototype":{"${MARK}":1}}}}`,
  `[{"__proto__":{"${MARK}":1}}]`,
];
