import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { LlmErrorCode } from '../../src/modules/llm/public/llm-error.js';
import type { FinishReason, LlmProvider } from '../../src/modules/llm/public/llm-provider.js';
import { LlmProviders } from '../../src/modules/llm/public/llm-providers.js';
import { AppConfig } from '../../src/platform/config/app-config.js';
import {
  chunk,
  delta,
  DONE,
  frame,
  head,
  json,
  RawUpstream,
  response,
  type Script,
  sse,
  SSE_HEAD,
} from '../support/raw-upstream.js';
import { collect, finishOf, textOf } from './provider-contract.js';
import { selfSignedCertificate } from './self-signed-certificate.js';

type Failure = readonly [code: LlmErrorCode, isRetryable: boolean];
type Answer = { readonly text: string; readonly reason: FinishReason };

interface Fault {
  readonly name: string;
  /** What answers a streaming call, and how it must end; null when the fault has no meaning there. */
  readonly stream: readonly [Script, Failure | Answer] | null;
  /** The same for a call for the whole answer. */
  readonly whole: readonly [Script, Failure | Answer] | null;
}

const KEY = 'sk-canary-0123456789';
/** For faults that a deadline has to find; all others must not depend on how busy the machine is. */
const HASTY = { llmFirstTokenTimeoutMs: 200, llmIdleTimeoutMs: 100, llmTotalTimeoutMs: 300 };
const PATIENT = { llmFirstTokenTimeoutMs: 5000, llmIdleTimeoutMs: 5000, llmTotalTimeoutMs: 5000 };
const messages = [{ role: 'user', content: 'Hi' } as const];
const options = { model: null, params: {} };

const hello = delta({ role: 'assistant', content: '' }) + delta({ content: 'Hel' }) + delta({ content: 'lo' });
const stop = delta({}, 'stop') + DONE;
const completion = (message: object, finishReason: string | null = 'stop'): object => ({
  id: 'c1',
  model: 'test-model',
  choices: [{ index: 0, message: { role: 'assistant', ...message }, finish_reason: finishReason }],
});
const helloAnswer: Answer = { text: 'Hello', reason: 'stop' };
const wholeHello = JSON.stringify(completion({ content: 'Hello' }));
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

const FAULTS: readonly Fault[] = [
  status(400, ['provider_rejected', false]),
  status(400, ['context_too_large', false], { code: 'context_length_exceeded', message: KEY }),
  status(401, ['provider_key_refused', false]),
  status(402, ['provider_credit_exhausted', false]),
  status(403, ['provider_key_refused', false]),
  status(404, ['model_not_found', false]),
  status(408, ['provider_error', true]),
  status(409, ['provider_error', true]),
  status(413, ['context_too_large', false]),
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

function providersFor(baseUrl: string, more: Partial<AppConfig> = {}): LlmProviders {
  const config: Partial<AppConfig> = {
    llmProvider: 'openai',
    openaiApiKey: KEY,
    openaiBaseUrl: baseUrl,
    llmConnectTimeoutMs: 150,
    ...PATIENT,
    llmMaxAnswerChars: 2000,
    llmRetries: 0,
  };
  return new LlmProviders(Object.assign(new AppConfig(), config, more));
}

const stream = (provider: LlmProvider, signal = new AbortController().signal) =>
  provider.stream(messages, options, signal);

async function expectFailure(call: Promise<unknown>, [code, retryable]: Failure): Promise<void> {
  const error: unknown = await call.then(
    (value) => new Error(`It succeeded: ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ name: 'LlmError', code, retryable });
  expect(allWords(error)).not.toContain(KEY);
}

/** Everything that a log could print of an error. */
function allWords(error: unknown): string {
  if (!(error instanceof Error)) return JSON.stringify(error) ?? '';
  return [
    error.stack,
    error.message,
    JSON.stringify(error),
    error.cause === undefined ? '' : allWords(error.cause),
  ].join('\n');
}

const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
let upstream: RawUpstream;
let providers: LlmProviders;
let hasty: LlmProviders;

beforeAll(async () => {
  process.on('unhandledRejection', onUnhandled);
  upstream = await RawUpstream.start();
  providers = providersFor(upstream.url);
  hasty = providersFor(upstream.url, HASTY);
});

afterAll(async () => {
  await Promise.all([providers.close(), hasty.close()]);
  await upstream.untilIdle();
  await upstream.close();
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

describe('faults of the upstream', () => {
  const providerFor = (outcome: Failure | Answer): LlmProvider =>
    !('text' in outcome) && outcome[0] === 'provider_timeout' ? hasty.default : providers.default;
  const streamCases = FAULTS.flatMap(({ name, stream: fault }) => (fault === null ? [] : [[name, ...fault] as const]));
  const wholeCases = FAULTS.flatMap(({ name, whole: fault }) => (fault === null ? [] : [[name, ...fault] as const]));

  it.each(streamCases)('stream: %s', async (_, script, outcome) => {
    upstream.answerWith(script);
    const reading = collect(stream(providerFor(outcome)));
    if (!('text' in outcome)) return expectFailure(reading, outcome);
    const events = await reading;
    expect({ text: textOf(events), reason: finishOf(events).reason }).toEqual(outcome);
  });

  it.each(wholeCases)('generate: %s', async (_, script, outcome) => {
    upstream.answerWith(script);
    const call = providerFor(outcome).generate(messages, options);
    if (!('text' in outcome)) return expectFailure(call, outcome);
    await expect(call).resolves.toMatchObject({ text: outcome.text, finishReason: outcome.reason });
  });

  it('tells when to come back', async () => {
    upstream.answerWith(json(429, { error: {} }, 'retry-after: 7'));
    await expect(collect(stream(providers.default))).rejects.toMatchObject({ retryAfterMs: 7000, providerStatus: 429 });
    await expect(providers.default.generate(messages, options)).rejects.toMatchObject({ retryAfterMs: 7000 });
  });

  it('gives the text before a fault to the reader', async () => {
    upstream.answerWith([SSE_HEAD, chunk(hello), 'fin']);
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const event of stream(providers.default)) seen.push(event);
    };
    await expectFailure(read(), ['provider_disconnected', true]);
    expect(seen).toEqual([{ type: 'text-delta', text: 'Hello' }]);
  });

  it('reads characters whose bytes come apart', async () => {
    const bytes = Buffer.from(delta({ content: 'é👋🏽漢' }) + stop);
    upstream.answerWith(sse(...Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))));
    expect(textOf(await collect(stream(providers.default)))).toBe('é👋🏽漢');
  });
});

describe('an upstream that can not be reached', () => {
  const both = async (baseUrl: string, failure: Failure): Promise<void> => {
    const unreachable = providersFor(baseUrl);
    // Side by side, since undici tells connect timeouts by the second.
    const [, , check] = await Promise.all([
      expectFailure(collect(stream(unreachable.default)), failure),
      expectFailure(unreachable.default.generate(messages, options), failure),
      unreachable.default.validateConnection(),
    ]);
    expect(check).toEqual({
      ok: false,
      reason: expect.stringMatching(/^The model provider could not be reached \(\w+\)$/),
    });
    await unreachable.close();
  };

  it('refused', async () => {
    const gone = await RawUpstream.start();
    const { url } = gone;
    await gone.close();
    await both(url, ['provider_unreachable', true]);
  });

  it('DNS failure', () => both('http://no-such-host.invalid/v1', ['provider_unreachable', true]));

  it('TLS with a certificate that nobody trusts', async () => {
    const tls = await RawUpstream.start(selfSignedCertificate());
    await both(tls.url, ['provider_unreachable', false]);
    expect(tls.requests).toEqual([]);
    await tls.close();
  });

  it('no TLS where TLS is expected', async () => {
    const plain = createServer().listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const { port } = plain.address() as AddressInfo;
    await both(`https://127.0.0.1:${port}/v1`, ['provider_unreachable', false]);
    plain.close();
  });

  it('connect hang', () => both(upstream.url.replace('http:', 'https:'), ['provider_unreachable', true]));
});

describe('the socket', () => {
  it('is closed by an abort, before the headers and in the middle', async () => {
    for (const script of [['hang'], [SSE_HEAD, chunk(hello), 'hang']] as Script[]) {
      const patient = providersFor(upstream.url);
      upstream.answerWith(script);
      await Promise.all([providers.close(), hasty.close()]);
      await upstream.untilIdle();
      const abort = new AbortController();
      const reason = new Error('stopped');
      const reading = collect(stream(patient.default, abort.signal));
      setTimeout(() => abort.abort(reason), 40);
      await expect(reading).rejects.toBe(reason);
      await upstream.untilIdle(200);
      upstream.answerWith(script[0] === 'hang' ? script : [head(200, 'content-type: application/json'), '{', 'hang']);
      const again = new AbortController();
      setTimeout(() => again.abort(reason), 40);
      await expect(patient.default.generate(messages, options, again.signal)).rejects.toBe(reason);
      await upstream.untilIdle(200);
      await patient.close();
      providers = providersFor(upstream.url);
      hasty = providersFor(upstream.url, HASTY);
    }
  });

  it('is closed by a deadline, by a reader that leaves and at the largest answer', async () => {
    await Promise.all([providers.close(), hasty.close()]);
    providers = providersFor(upstream.url);
    hasty = providersFor(upstream.url, HASTY);
    upstream.answerWith([SSE_HEAD, chunk(hello), 'hang']);
    await expectFailure(collect(stream(hasty.default)), ['provider_timeout', false]);
    await upstream.untilIdle(200);
    for await (const _event of stream(providers.default)) break;
    await upstream.untilIdle(200);
    upstream.answerWith([SSE_HEAD, chunk(delta({ content: 'x'.repeat(3000) })), 'hang']);
    expect(finishOf(await collect(stream(providers.default))).reason).toBe('length');
    await upstream.untilIdle(200);
  });

  it('serves the next call after an answer that ended well', async () => {
    await providers.close();
    providers = providersFor(upstream.url);
    upstream.answerWith(sse(hello + stop));
    for (let call = 0; call < 3; call++) {
      await collect(stream(providers.default));
      // The body ends a little after the answer; a call in between takes a socket of its own.
      await sleep(20);
    }
    expect([upstream.requests.length, upstream.connectionCount]).toEqual([3, 1]);
    expect(upstream.requests[0]?.head).toContain(`authorization: Bearer ${KEY}`);
    expect(upstream.requests[0]?.head).toContain('accept-encoding: identity');
  });

  it('is paused while the reader is slow, so that memory stays bounded', async () => {
    const roomy = providersFor(upstream.url, { llmMaxAnswerChars: 50_000_000 });
    let sent = 0;
    const piece = chunk(delta({ content: 'x'.repeat(60_000) }));
    const counted = Array.from({ length: 400 }, () => piece);
    upstream.answerWith([SSE_HEAD, ...counted, 'hang']);
    for await (const event of stream(roomy.default)) {
      if (event.type === 'text-delta') sent += event.text.length;
      await sleep(60);
      const next = event.type === 'text-delta' ? event.text.length : 0;
      expect(next).toBeLessThan(400_000);
      if (sent > 300_000) break;
    }
    await roomy.close();
  });
});

describe('retries on the wire', () => {
  it('calls again before the first token only', async () => {
    const eager = providersFor(upstream.url, { llmRetries: 2 });
    upstream.answerWith(json(503, {}), ['fin'], sse(hello + stop));
    expect(textOf(await collect(stream(eager.default)))).toBe('Hello');
    expect(upstream.requests).toHaveLength(3);
    upstream.answerWith([SSE_HEAD, chunk(hello), 'fin']);
    await expectFailure(collect(stream(eager.default)), ['provider_disconnected', true]);
    expect(upstream.requests).toHaveLength(1);
    await eager.close();
  });
});
