import { each } from '../client.mjs';

const LOGIN = 'POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
/** What a second server would take for a request of its own. */
const HIDDEN = 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n';

const REFUSED = {
  'a length and chunks': `${LOGIN}content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks and a length': `${LOGIN}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'two lengths': `${LOGIN}content-length: 2\r\ncontent-length: 4\r\n\r\n{}{}${HIDDEN}`,
  'the same length twice': `${LOGIN}content-length: 2\r\ncontent-length: 2\r\n\r\n{}${HIDDEN}`,
  'a length that is a list': `${LOGIN}content-length: 2, 2\r\n\r\n{}${HIDDEN}`,
  'a length with a sign': `${LOGIN}content-length: +2\r\n\r\n{}${HIDDEN}`,
  'a negative length': `${LOGIN}content-length: -2\r\n\r\n{}${HIDDEN}`,
  'a length in hexadecimal': `${LOGIN}content-length: 0x2\r\n\r\n{}${HIDDEN}`,
  'a length beyond all': `${LOGIN}content-length: 99999999999999999999999\r\n\r\n{}${HIDDEN}`,
  'a length with a point': `${LOGIN}content-length: 2.0\r\n\r\n{}${HIDDEN}`,
  'chunks under another name': `${LOGIN}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks that are not the last coding': `${LOGIN}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks twice': `${LOGIN}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks in quotes': `${LOGIN}transfer-encoding: "chunked"\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'chunks with a tab': `${LOGIN}transfer-encoding:\x0bchunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a space before the colon': `${LOGIN}content-length : 2\r\n\r\n{}${HIDDEN}`,
  'a space before the name': `${LOGIN} content-length: 2\r\n\r\n{}${HIDDEN}`,
  'a folded header': `${LOGIN}x: a\r\n b\r\n\r\n${HIDDEN}`,
  'a folded coding': `${LOGIN}transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n${HIDDEN}`,
  'a NUL in a header': `${LOGIN}x: a\0b\r\n\r\n${HIDDEN}`,
  'a bare CR in a header': `${LOGIN}x: a\rb\r\n\r\n${HIDDEN}`,
  'a bare LF for a line end': `POST /auth/login HTTP/1.1\nhost: x\ncontent-length: 0\n\n${HIDDEN}`,
  'a size of a chunk that is no number': `${LOGIN}transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
  'a size of a chunk with a sign': `${LOGIN}transfer-encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
  'a size of a chunk in 0x': `${LOGIN}transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
  'a size of a chunk beyond all': `${LOGIN}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
  'a chunk that is longer than it says': `${LOGIN}transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n${HIDDEN}`,
  'no host': 'GET /health/live HTTP/1.1\r\n\r\n',
  'no name of a header': `${LOGIN}: x\r\n\r\n${HIDDEN}`,
  'a version that is none': `GET /health/live HTTP/9.9\r\nhost: x\r\n\r\n`,
  'a line end in the address': `GET /health/live\r HTTP/1.1\r\nhost: x\r\n\r\n`,
};
const NO_ECHO = ['TRACE', 'CONNECT', 'TRACK', 'DEBUG'];

/** Requests that two servers in a row could read differently: refused, and nothing behind them is read as a request. */
export async function smuggle({ target, report }) {
  await each(Object.entries(REFUSED), 8, async ([what, bytes]) => {
    const { text } = await target.client.raw(target.main, bytes);
    const answers = text.match(/HTTP\/1\.1 /g)?.length ?? 0;
    report.judge(what, /^HTTP\/1\.1 [45]0[05] /.test(text) && answers === 1, text.slice(0, 120) || 'no answer');
  });
  for (const method of NO_ECHO) {
    const bytes = `${method} / HTTP/1.1\r\nhost: x\r\nx-secret: echo-me\r\nconnection: close\r\n\r\n`;
    const { text } = await target.client.raw(target.main, bytes);
    report.judge(method, !/^HTTP\/1\.1 2/.test(text) && !text.includes('echo-me'), text.slice(0, 120));
  }
}
