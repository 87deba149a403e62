import type { LlmEvent, LlmProvider } from '../../src/modules/llm/public/llm-provider.js';
import type { LlmProviders } from '../../src/modules/llm/public/llm-providers.js';
import { chunk, delta, frame, head, json, RawUpstream, type Script, sse, SSE_HEAD } from '../support/raw-upstream.js';
import { providersFor } from '../support/wire-providers.js';
import { collect, finishOf, textOf } from './provider-contract.js';
import { hello, stop } from './wire-fault-table.js';

const messages = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
] as const;

let upstream: RawUpstream;
let providers: LlmProviders;

beforeAll(async () => {
  upstream = await RawUpstream.start();
});

beforeEach(() => {
  providers = providersFor(upstream.url, { llmRetries: 2, llmFirstTokenTimeoutMs: 250, llmIdleTimeoutMs: 250 });
});

afterEach(() => providers.close());
afterAll(() => upstream.close());

const stream = (
  provider: LlmProvider,
  { params = {}, signal = new AbortController().signal }: { params?: object; signal?: AbortSignal } = {},
) => provider.stream(messages, { model: null, params }, signal);
const bodies = (): Record<string, unknown>[] =>
  upstream.requests.map(({ body }) => JSON.parse(body) as Record<string, unknown>);
const reasoningIn = (events: readonly LlmEvent[]): string =>
  events.map((event) => (event.type === 'reasoning-delta' ? event.text : '')).join('');

/** A piece each 80 ms for much longer than either deadline of silence. */
const slowly = (piece: (place: number) => string): Script =>
  Array.from({ length: 10 }, (_, place) => [chunk(piece(place)), { pauseMs: 80 }]).flat();

describe('a model that thinks for longer than the deadlines of silence', () => {
  it.each<[string, (text: string) => object]>([
    ['reasoning_content', (text) => ({ reasoning_content: text })],
    ['reasoning', (text) => ({ reasoning: text, content: '' })],
    ['reasoning_details', (text) => ({ reasoning_details: [{ type: 'reasoning.text', text }] })],
    ['<think>', (text) => ({ content: text === '0' ? '<think>0' : text === '9' ? '9</think>' : text })],
  ])('gives the whole answer by one call: %s', async (_, deltaOf) => {
    upstream.answerWith([
      SSE_HEAD,
      ...slowly((place) => delta({ ...deltaOf(String(place)) })),
      chunk(hello + stop),
      '0\r\n\r\n',
    ]);
    const events = await collect(stream(providers.default));
    expect([textOf(events), reasoningIn(events)]).toEqual(['Hello', '0123456789']);
    expect(upstream.requests).toHaveLength(1);
  });

  it.each<[string, (place: number) => string]>([
    ['comments', () => ': OPENROUTER PROCESSING\n\n'],
    ['encrypted reasoning', () => delta({ reasoning_details: [{ type: 'reasoning.encrypted', data: 'x' }] })],
    ['pieces of a tool call', (place) => delta({ tool_calls: [{ index: 0, function: { arguments: String(place) } }] })],
    ['blank lines', () => '\n'],
  ])('is alive while it sends %s', async (_, piece) => {
    upstream.answerWith([SSE_HEAD, ...slowly(piece), chunk(hello + stop), '0\r\n\r\n']);
    expect(textOf(await collect(stream(providers.default)))).toBe('Hello');
    expect(upstream.requests).toHaveLength(1);
  });

  it('is alive while it sends comments in the middle of its text', async () => {
    upstream.answerWith([SSE_HEAD, chunk(hello), ...slowly(() => ': ping\n\n'), chunk(stop), '0\r\n\r\n']);
    expect(textOf(await collect(stream(providers.default)))).toBe('Hello');
  });

  it('is called again when it falls silent before it said anything, and not after it has begun to think', async () => {
    upstream.answerWith([SSE_HEAD, chunk(delta({ role: 'assistant' })), 'hang'], sse(hello + stop));
    expect(textOf(await collect(stream(providers.default)))).toBe('Hello');
    expect(upstream.requests).toHaveLength(2);
    upstream.answerWith([SSE_HEAD, chunk(delta({ reasoning: 'Hm' })), 'hang']);
    await expect(collect(stream(providers.default))).rejects.toMatchObject({ code: 'provider_timeout' });
    expect(upstream.requests).toHaveLength(1);
  });

  it.each<[string, Script]>([
    ['in its first frame', [SSE_HEAD, chunk(delta({ role: 'assistant' })), 'hang']],
    [
      'in a header',
      [
        head(200, 'content-type: text/event-stream', 'x-generation-id: chatcmpl-1', 'transfer-encoding: chunked'),
        'hang',
      ],
    ],
  ])('tells the id of the generation %s, so that a stopped thought can be asked after', async (_, script) => {
    upstream.answerWith(script);
    const abort = new AbortController();
    const seen: LlmEvent[] = [];
    const read = async (): Promise<void> => {
      for await (const event of stream(providers.default, { signal: abort.signal })) {
        seen.push(event);
        if (event.type === 'generation') abort.abort(new Error('stopped'));
      }
    };
    await expect(read()).rejects.toThrow('stopped');
    expect(seen.at(-1)).toEqual({ type: 'generation', id: 'chatcmpl-1' });
  });
});

describe('an answer that broke off before its first word', () => {
  it('is told of as a failed attempt with its generation, and the fallback answers', async () => {
    const chain = providers.withFallbacks(providers.default, [{ provider: providers.default, model: 'second' }]);
    upstream.answerWith([SSE_HEAD, chunk(delta({ role: 'assistant' })), 'fin'], sse(hello + stop));
    const events = await collect(stream(chain));
    expect(events.map(({ type }) => type)).toEqual([
      ...['attempt', 'generation', 'attempt-failed'],
      ...['attempt', 'generation', 'text-delta', 'finish'],
    ]);
  });
});

describe('the end of an answer', () => {
  it('is found behind a frame of 1.4 MB', async () => {
    const roomy = providersFor(upstream.url, { llmMaxAnswerChars: 1_000_000 });
    upstream.answerWith(sse(delta({ content: 'é'.repeat(700_000) }), stop));
    const events = await collect(stream(roomy.default));
    expect([textOf(events).length, finishOf(events).reason]).toEqual([700_000, 'stop']);
    await roomy.close();
  });

  it('comes soon after its finish reason and usage, though the socket stays open', async () => {
    const usage = { prompt_tokens: 4, completion_tokens: 2 };
    upstream.answerWith([SSE_HEAD, chunk(hello + delta({}, 'stop') + frame({ choices: [], usage })), 'hang']);
    const start = performance.now();
    const patient = providersFor(upstream.url);
    const events = await collect(stream(patient.default));
    expect(performance.now() - start).toBeLessThan(2000);
    expect(finishOf(events).reason).toBe('stop');
    expect(events.at(-2)).toMatchObject({ type: 'usage', usage: { inputTokens: 4, outputTokens: 2 } });
    await patient.close();
  });

  it('has the usage that was told, also when the answer breaks off', async () => {
    const usage = { prompt_tokens: 4, completion_tokens: 2 };
    upstream.answerWith(sse(hello, frame({ choices: [], usage }), frame({ error: { code: 500 } })));
    const seen: LlmEvent[] = [];
    const read = async (): Promise<void> => {
      for await (const event of stream(providers.default)) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({ code: 'provider_error' });
    expect(seen.at(-1)).toMatchObject({ type: 'usage', usage: { inputTokens: 4, outputTokens: 2 } });
  });
});

describe('a request that a server refuses because of one field', () => {
  const refuse = (message: string, more: object = {}): Script =>
    json(400, { error: { message, type: 'invalid_request_error', ...more } });
  const params = { temperature: 0.5, max_output_tokens: 9 };

  it('is written otherwise in one more call, and in later calls at once', async () => {
    upstream.answerWith(
      refuse(
        "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      ),
      sse(hello + stop),
    );
    const events = await collect(stream(providers.default, { params }));
    expect(textOf(events)).toBe('Hello');
    expect(events.filter(({ type }) => type === 'attempt')).toHaveLength(1);
    expect(bodies()).toMatchObject([{ max_tokens: 9 }, { max_completion_tokens: 9, temperature: 0.5 }]);
    upstream.answerWith(json(200, { choices: [{ message: { content: 'Hi' }, finish_reason: 'stop' }] }));
    await providers.default.generate(messages, { model: null, params });
    await providers.default.generate(messages, { model: 'another', params });
    expect(bodies()).toMatchObject([{ max_completion_tokens: 9 }, { max_tokens: 9 }]);
    expect(bodies()[0]).not.toHaveProperty('max_tokens');
  });

  it('is shared by the calls with other keys at that address', async () => {
    upstream.answerWith(refuse("'max_tokens' is not supported"), sse(hello + stop));
    await collect(stream(providers.withKey('k1', 'openai', 'x', null), { params }));
    await collect(stream(providers.withKey('k2', 'openai', 'y', null), { params }));
    expect(upstream.requests).toHaveLength(3);
  });

  it('learns several things one after the other', async () => {
    upstream.answerWith(
      refuse('x', { param: 'max_tokens', code: 'unsupported_parameter' }),
      refuse("Unsupported value: 'temperature' does not support 0.5 with this model.", { param: 'temperature' }),
      json(422, {
        detail: [{ type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' }],
      }),
      sse(hello + stop),
    );
    expect(textOf(await collect(stream(providers.default, { params })))).toBe('Hello');
    const last = bodies().at(-1);
    expect(last).toMatchObject({ max_completion_tokens: 9 });
    for (const field of ['max_tokens', 'temperature', 'stream_options']) expect(last).not.toHaveProperty(field);
  });

  it.each<[string, Script, unknown]>([
    [
      'the role developer, which the server names',
      refuse(
        "Unsupported value: 'messages[0].role' does not support 'system' with this model. Use 'developer' instead.",
      ),
      [{ role: 'developer', content: 'Be brief.' }, messages[1]],
    ],
    [
      'the first question, where no such role is known',
      json(500, { error: { message: 'Jinja Exception: System role not supported', code: 500 } }),
      [{ role: 'user', content: 'Be brief.\n\nHi' }],
    ],
    [
      'the first question, where the role is refused by its place',
      refuse('Value is unsupported', { param: 'messages[0].role' }),
      [{ role: 'user', content: 'Be brief.\n\nHi' }],
    ],
  ])('puts system messages into %s', async (_, refusal, sent) => {
    upstream.answerWith(refusal, sse(hello + stop));
    await collect(stream(providers.default));
    expect(bodies()[1]?.messages).toEqual(sent);
  });

  it('is refused for good when nothing was learned, and a lesson that did not help is forgotten', async () => {
    upstream.answerWith(refuse('temperature must be at most 1'));
    await expect(collect(stream(providers.default, { params }))).rejects.toMatchObject({ code: 'provider_rejected' });
    expect(upstream.requests).toHaveLength(1);
    upstream.answerWith(refuse('temperature is not supported'));
    await expect(collect(stream(providers.default, { params }))).rejects.toMatchObject({ code: 'provider_rejected' });
    await expect(providers.default.generate(messages, { model: null, params })).rejects.toMatchObject({
      code: 'provider_rejected',
    });
    expect(bodies().map((body) => 'temperature' in body)).toEqual([true, false, true, false]);
  });
});
