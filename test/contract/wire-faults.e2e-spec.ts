import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LlmProvider } from '../../src/modules/llm/public/llm-provider.js';
import type { LlmProviders } from '../../src/modules/llm/public/llm-providers.js';
import type { AppConfig } from '../../src/app-config.js';
import { chunk, delta, head, json, RawUpstream, type Script, sse, SSE_HEAD } from '../support/raw-upstream.js';
import { providersFor as wireProviders } from '../support/wire-providers.js';
import { collect, finishOf, textOf } from './provider-contract.js';
import { selfSignedCertificate } from './self-signed-certificate.js';
import { type Answer, type Failure, FAULTS, hello, KEY, stop } from './wire-fault-table.js';

/** For faults that a deadline has to find; all others must not depend on how busy the machine is. */
const HASTY = { llmFirstTokenTimeoutMs: 200, llmIdleTimeoutMs: 100, llmTotalTimeoutMs: 300 };
const messages = [{ role: 'user', content: 'Hi' } as const];
const options = { model: null, params: {} };

const providersFor = (baseUrl: string, more: Partial<AppConfig> = {}): LlmProviders =>
  wireProviders(baseUrl, { openaiApiKey: KEY, ...more });

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

  it('reports Retry-After', async () => {
    upstream.answerWith(json(429, { error: {} }, 'retry-after: 7'));
    await expect(collect(stream(providers.default))).rejects.toMatchObject({ retryAfterMs: 7000, providerStatus: 429 });
    await expect(providers.default.generate(messages, options)).rejects.toMatchObject({ retryAfterMs: 7000 });
  });

  it('delivers the text before a fault', async () => {
    upstream.answerWith([SSE_HEAD, chunk(hello), 'fin']);
    const seen: unknown[] = [];
    const read = async (): Promise<void> => {
      for await (const event of stream(providers.default)) seen.push(event);
    };
    await expectFailure(read(), ['provider_disconnected', true]);
    expect(seen).toEqual([
      { type: 'attempt', provider: 'openai', model: 'gpt-4o-mini', isOwnKey: false },
      { type: 'generation', id: 'chatcmpl-1' },
      { type: 'text-delta', text: 'Hello' },
    ]);
  });

  it('reads characters whose bytes arrive separately', async () => {
    const bytes = Buffer.from(delta({ content: 'é👋🏽漢' }) + stop);
    upstream.answerWith(sse(...Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))));
    expect(textOf(await collect(stream(providers.default)))).toBe('é👋🏽漢');
  });
});

describe('an upstream that cannot be reached', () => {
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

  it('a refused connection', async () => {
    const gone = await RawUpstream.start();
    const { url } = gone;
    await gone.close();
    await both(url, ['provider_unreachable', true]);
  });

  it('a DNS failure', () => both('http://no-such-host.invalid/v1', ['provider_unreachable', true]));

  it('TLS with an untrusted certificate', async () => {
    const tls = await RawUpstream.start(selfSignedCertificate());
    await both(tls.url, ['provider_unreachable', false]);
    expect(tls.requests).toEqual([]);
    await tls.close();
  });

  it('no TLS where it is expected', async () => {
    const plain = createServer().listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const { port } = plain.address() as AddressInfo;
    await both(`https://127.0.0.1:${port}/v1`, ['provider_unreachable', false]);
    plain.close();
  });

  it('a connection that hangs', () => both(upstream.url.replace('http:', 'https:'), ['provider_unreachable', true]));
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

  it('is closed by a deadline, by a reader that leaves, and at the maximum size', async () => {
    await Promise.all([providers.close(), hasty.close()]);
    providers = providersFor(upstream.url);
    hasty = providersFor(upstream.url, HASTY);
    upstream.answerWith([SSE_HEAD, chunk(hello), 'hang']);
    await expectFailure(collect(stream(hasty.default)), ['provider_timeout', false]);
    await upstream.untilIdle(200);
    for await (const event of stream(providers.default)) if (event.type === 'text-delta') break;
    await upstream.untilIdle(200);
    upstream.answerWith([SSE_HEAD, chunk(delta({ content: 'x'.repeat(3000) })), 'hang']);
    expect(finishOf(await collect(stream(providers.default))).reason).toBe('length');
    await upstream.untilIdle(200);
  });

  it('is closed by a deadline in a chain of fallbacks too, and each call gets its slot back', async () => {
    const single = providersFor(upstream.url, { ...HASTY, llmCallsPerProvider: 1, turnWaitMs: 0 });
    const chain = single.withFallbacks(single.default, [{ provider: single.default, model: 'second' }]);
    upstream.answerWith([SSE_HEAD, chunk(hello), 'hang']);
    await expectFailure(collect(stream(chain)), ['provider_timeout', false]);
    upstream.answerWith(sse(hello + stop));
    await collect(stream(chain));
    await collect(stream(chain));
    await single.close();
  });

  it('is reused for the next call after a complete answer', async () => {
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

  it('is paused while the reader is slow, so memory stays bounded', async () => {
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
  it('happen only before the first token', async () => {
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
