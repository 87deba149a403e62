import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import type { LlmErrorCode } from '../../src/modules/llm/public/llm-error.js';
import type { FinishReason } from '../../src/modules/llm/public/llm-provider.js';
import {
  chunk,
  delta,
  DONE,
  frame,
  head,
  json,
  response,
  type Script,
  sse,
  SSE_HEAD,
} from '../support/raw-upstream.js';

export type Failure = readonly [code: LlmErrorCode, isRetryable: boolean];
export type Answer = { readonly text: string; readonly reason: FinishReason };

export interface Fault {
  readonly name: string;
  /** What answers a streaming call, and how it must end; null when the fault has no meaning there. */
  readonly stream: readonly [Script, Failure | Answer] | null;
  /** The same for a call for the whole answer. */
  readonly whole: readonly [Script, Failure | Answer] | null;
}

export const KEY = 'sk-canary-0123456789';

export const hello = delta({ role: 'assistant', content: '' }) + delta({ content: 'Hel' }) + delta({ content: 'lo' });
export const stop = delta({}, 'stop') + DONE;
const completion = (message: object, finishReason: string | null = 'stop'): object => ({
  id: 'c1',
  model: 'test-model',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finishReason }],
});
const helloAnswer: Answer = { text: 'Hello', reason: 'stop' };
const wholeHello = JSON.stringify(completion({ content: 'Hello' }));
const compressed = (coding: 'gzip' | 'deflate' | 'br'): Buffer => {
  const bytes = Buffer.from(hello + stop);
  if (coding === 'br') return brotliCompressSync(bytes);
  return coding === 'gzip' ? gzipSync(bytes) : deflateSync(bytes);
};
const bomb = gzipSync(Buffer.alloc(20 * 1024 * 1024));

const status = (
  code: number,
  failure: Failure,
  error: unknown = { message: `key ${KEY}` },
  ...headers: string[]
): Fault => ({
  name: `${code} ${JSON.stringify(error).slice(0, 60)}`,
  stream: [json(code, { error }, ...headers), failure],
  whole: [json(code, { error }, ...headers), failure],
});

/** Both ways alike. */
const both = (name: string, script: Script, outcome: Failure | Answer): Fault => ({
  name,
  stream: [script, outcome],
  whole: [script, outcome],
});

const streamed = (name: string, script: Script, outcome: Failure | Answer): Fault => ({
  name,
  stream: [script, outcome],
  whole: null,
});

export const FAULTS: readonly Fault[] = [
  status(400, ['provider_rejected', false]),
  status(400, ['context_too_large', false], { code: 'context_length_exceeded', message: KEY }),
  status(401, ['provider_key_refused', false]),
  status(402, ['provider_credit_exhausted', false]),
  status(403, ['provider_key_refused', false]),
  status(404, ['model_not_found', false]),
  status(405, ['provider_address_wrong', false]),
  status(408, ['provider_error', true]),
  status(409, ['provider_error', true]),
  status(413, ['provider_request_too_large', false]),
  status(422, ['provider_rejected', false]),
  status(429, ['provider_rate_limited', true]),
  status(429, ['provider_rate_limited', true], {}, 'retry-after: 7'),
  status(429, ['provider_credit_exhausted', false], { code: 'insufficient_quota' }),
  status(500, ['provider_error', true]),
  status(502, ['provider_error', true]),
  status(503, ['provider_overloaded', true]),
  status(504, ['provider_timeout', true]),
  status(529, ['provider_overloaded', true]),
  both('an error page', response(502, 'text/html', '<h1>Bad gateway</h1>'), ['provider_error', true]),
  both(
    'a redirect',
    [head(302, 'location: http://127.0.0.1:1/', 'content-length: 0')],
    ['provider_bad_response', false],
  ),
  both(
    'an endless error',
    [head(500, 'content-type: text/plain'), 'x'.repeat(100_000), 'hang'],
    ['provider_error', true],
  ),
  both('header hang', ['hang'], ['provider_timeout', true]),
  both('a half head', ['HTTP/1.1 200 OK\r\ncontent-ty', 'hang'], ['provider_timeout', true]),
  both('no HTTP', ['+OK POP3 server ready\r\n', 'fin'], ['provider_bad_response', false]),
  both('our own request sent back', [`authorization: Bearer ${KEY}\r\n\r\n`, 'fin'], ['provider_bad_response', false]),
  both('disconnect before the headers', ['fin'], ['provider_disconnected', true]),
  both('reset before the headers', ['reset'], ['provider_disconnected', true]),
  both('wrong content type', response(200, 'text/html', '<h1>Welcome</h1>'), ['provider_bad_response', false]),
  both('compressed bomb', response(200, 'application/json', bomb, 'content-encoding: gzip'), [
    'provider_bad_response',
    false,
  ]),
  both('error inside a 200', json(200, { error: { code: 503, message: KEY } }), ['provider_overloaded', true]),
  both('JSON that is no completion', json(200, { hello: 'world' }), ['provider_bad_response', false]),
  both('a completion without choices', json(200, { id: 'x', choices: [] }), ['provider_bad_response', false]),
  both('truncated JSON', response(200, 'application/json', wholeHello.slice(0, -9)), ['provider_bad_response', false]),
  both(
    'a completion cut off by the network',
    [head(200, 'content-type: application/json', 'content-length: 500'), wholeHello, 'fin'],
    ['provider_disconnected', true],
  ),
  both('a completion for an answer', response(200, 'application/json; charset=utf-8', wholeHello), helloAnswer),
  both('a completion without a reason', json(200, completion({ content: 'Hello' }, null)), {
    text: 'Hello',
    reason: 'other',
  }),
  both('a giant completion', json(200, completion({ content: 'x'.repeat(2_000_000) })), [
    'provider_bad_response',
    false,
  ]),
  both('a completion beyond the largest answer', json(200, completion({ content: 'x'.repeat(3000) })), {
    text: 'x'.repeat(2000),
    reason: 'length',
  }),
  {
    name: 'first-token hang',
    stream: [
      [SSE_HEAD, chunk(': ping\n\n'), 'hang'],
      ['provider_timeout', true],
    ],
    whole: [
      [head(200, 'content-type: application/json'), '{', 'hang'],
      ['provider_timeout', true],
    ],
  },
  {
    name: 'compressed frames',
    stream: [
      [head(200, 'content-type: text/event-stream', 'content-encoding: gzip'), bomb],
      ['provider_bad_response', false],
    ],
    whole: null,
  },
  {
    name: 'an event stream for a whole answer',
    stream: null,
    whole: [sse(hello + stop), ['provider_bad_response', false]],
  },
  streamed('comments only, for ever', [SSE_HEAD, ...pulses(': OPENROUTER PROCESSING\n\n')], ['provider_timeout', true]),
  streamed('mid-stream hang', [SSE_HEAD, chunk(hello), 'hang'], ['provider_timeout', false]),
  streamed('endless stream', [SSE_HEAD, ...pulses(delta({ content: 'x' }))], ['provider_timeout', false]),
  streamed(
    'a stream beyond the largest answer',
    [SSE_HEAD, chunk(delta({ content: 'é'.repeat(1500) })), chunk(delta({ content: 'é'.repeat(1500) })), 'hang'],
    { text: 'é'.repeat(2000), reason: 'length' },
  ),
  streamed(
    'disconnect before the first token',
    [SSE_HEAD, chunk(delta({ role: 'assistant', content: '' })), 'fin'],
    ['provider_disconnected', true],
  ),
  streamed('disconnect after the first token', [SSE_HEAD, chunk(hello), 'fin'], ['provider_disconnected', true]),
  streamed(
    'reset after the first token',
    [SSE_HEAD, chunk(hello), { pauseMs: 20 }, 'reset'],
    ['provider_disconnected', true],
  ),
  streamed('disconnect within a frame', [SSE_HEAD, chunk(hello.slice(0, -20)), 'fin'], ['provider_disconnected', true]),
  streamed('a clean end within a frame', sse(hello.slice(0, -20)), ['provider_disconnected', true]),
  streamed('no finish reason', sse(hello), ['provider_disconnected', true]),
  streamed('no finish reason but [DONE]', sse(hello + DONE), { text: 'Hello', reason: 'other' }),
  streamed('nothing but [DONE]', sse(DONE), ['provider_disconnected', true]),
  streamed('an empty body', sse(), ['provider_disconnected', true]),
  streamed('no [DONE]', sse(hello + delta({}, 'stop')), helloAnswer),
  streamed(
    'a reset after the finish reason',
    [SSE_HEAD, chunk(hello + delta({}, 'stop')), { pauseMs: 20 }, 'reset'],
    helloAnswer,
  ),
  streamed('[DONE] and an open socket', [SSE_HEAD, chunk(hello + stop), 'hang'], helloAnswer),
  streamed(
    'no chunked coding',
    [head(200, 'content-type: text/event-stream', 'connection: close'), hello + stop, 'fin'],
    helloAnswer,
  ),
  both('a completion of an unknown type', response(201, 'text/plain', wholeHello), helloAnswer),
  both(
    'a compressed completion',
    response(200, 'application/json', gzipSync(wholeHello), 'content-encoding: gzip'),
    helloAnswer,
  ),
  both('a body of an unknown coding', response(200, 'application/json', wholeHello, 'content-encoding: x-odd'), [
    'provider_bad_response',
    false,
  ]),
  both('a compressed error', response(402, 'application/json', gzipSync('{}'), 'content-encoding: gzip'), [
    'provider_credit_exhausted',
    false,
  ]),
  streamed(
    'frames under the type text/plain and status 201',
    [
      head(201, 'content-type: text/plain', 'connection: close'),
      ...[...(hello + stop)].slice(0, 40),
      (hello + stop).slice(40),
      'fin',
    ],
    helloAnswer,
  ),
  streamed('frames without a type', [head(200, 'connection: close'), `: hi\n\n${hello}${stop}`, 'fin'], helloAnswer),
  ...(['gzip', 'deflate', 'br'] as const).map((coding) =>
    streamed(
      `frames compressed by ${coding}`,
      [
        head(200, 'content-type: text/event-stream', `content-encoding: ${coding}`, 'connection: close'),
        compressed(coding),
        'fin',
      ],
      helloAnswer,
    ),
  ),
  streamed(
    'compressed frames that are cut off',
    [
      SSE_HEAD.replace('\r\n\r\n', '\r\ncontent-encoding: gzip\r\n\r\n'),
      chunk(gzipSync(hello + stop).subarray(0, -30)),
      'fin',
    ],
    ['provider_disconnected', true],
  ),
  streamed('a frame of 900 KB', sse(delta({ content: 'Hello', obfuscation: 'x'.repeat(900_000) }), stop), helloAnswer),
  streamed(
    'an error that follows the end',
    sse(hello, delta({}, 'stop'), frame({ error: { code: 500, message: KEY } })),
    helloAnswer,
  ),
  streamed('a finish reason and silence', [SSE_HEAD, chunk(hello + delta({}, 'stop')), 'hang'], helloAnswer),
  streamed(
    'a finish reason and keep-alives',
    [SSE_HEAD, chunk(hello + delta({}, 'stop')), ...pulses(': ping\n\n')],
    helloAnswer,
  ),
  streamed('garbage frame', sse(hello, 'data: }{\n\n', stop), ['provider_bad_response', false]),
  streamed('garbage for a stream', sse('<html>\nnothing here\n</html>\n'), ['provider_bad_response', false]),
  streamed('truncated JSON in a frame', sse(hello, 'data: {"choices":[{"delta"\n\n', stop), [
    'provider_bad_response',
    false,
  ]),
  streamed('a broken chunk', [SSE_HEAD, chunk(hello), 'zz\r\nhello\r\n'], ['provider_bad_response', false]),
  streamed(
    'giant frame',
    [SSE_HEAD, ...Array<Buffer>(40).fill(chunk(`${'data: '}${'x'.repeat(32_000)}`)), 'hang'],
    ['provider_bad_response', false],
  ),
  streamed('error frame mid-stream', sse(hello, frame({ error: { code: 502, message: KEY } })), [
    'provider_error',
    true,
  ]),
  streamed('error frame first', sse(frame({ error: { code: 429, message: KEY } })), ['provider_rate_limited', true]),
  streamed('CRLF frames', sse((hello + stop).replaceAll('\n', '\r\n')), helloAnswer),
  streamed('comment frames', sse(': a\n\n', hello, ': b\n\n:\n\n', stop), helloAnswer),
  streamed(
    'empty choices',
    sse(hello, frame({ choices: [] }), frame({ id: 'x', choices: [], usage: null }), stop),
    helloAnswer,
  ),
  streamed(
    'tool call only',
    sse(
      delta({ tool_calls: [{ index: 0, id: 'a', function: { name: 'f', arguments: '{}' } }] }),
      delta({}, 'tool_calls') + DONE,
    ),
    { text: '', reason: 'tool_calls' },
  ),
  {
    name: 'refusal',
    stream: [sse(delta({ refusal: 'No' }), delta({ refusal: 'pe' }), stop), { text: 'Nope', reason: 'content_filter' }],
    whole: [json(200, completion({ content: null, refusal: 'Nope' })), { text: 'Nope', reason: 'content_filter' }],
  },
  {
    name: 'content filter',
    stream: [sse(hello, delta({}, 'content_filter') + DONE), { text: 'Hello', reason: 'content_filter' }],
    whole: [json(200, completion({ content: 'Hello' }, 'content_filter')), { text: 'Hello', reason: 'content_filter' }],
  },
  {
    name: 'length stop',
    stream: [sse(hello, delta({}, 'length') + DONE), { text: 'Hello', reason: 'length' }],
    whole: [json(200, completion({ content: 'Hello' }, 'length')), { text: 'Hello', reason: 'length' }],
  },
];

/** One piece every 20 ms for longer than any deadline here. */
function pulses(piece: string): Script {
  return Array.from({ length: 60 }, () => [chunk(piece), { pauseMs: 20 }]).flat();
}
