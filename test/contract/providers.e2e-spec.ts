import { LLMock } from '@copilotkit/aimock';
import OpenAI from 'openai';
import { OfflineProvider } from '../../src/modules/llm/providers/offline.provider.js';
import { type HttpProviderSettings, OpenAiProvider } from '../../src/modules/llm/providers/openai.provider.js';
import { OpenRouterProvider } from '../../src/modules/llm/providers/openrouter.provider.js';
import type { LlmProvider } from '../../src/modules/llm/public/llm-provider.js';
import { collect, describeProviderContract, finishOf, textOf } from './provider-contract.js';

const PLAIN = 'Grüße! The quick brown fox — 快速的棕色狐狸 — jumps over the lazy dog 👋🏽.';
const LONG = Array.from({ length: 100 }, (_, i) => `word${i}`).join(' ');
const ask = { plain: 'plain question', cut: 'cut question', slow: 'slow question' };

const mock = new LLMock({ port: 0, chunkSize: 7 });
let providers: LlmProvider[] = [];

function settings(path: string): HttpProviderSettings {
  return {
    baseUrl: mock.url + path,
    apiKey: 'sk-test-key',
    model: 'gpt-4o-mini',
    connectTimeoutMs: 1000,
    probeTimeoutMs: 2000,
    maxAnswerChars: 100_000,
  };
}

function made<T extends LlmProvider>(provider: T): T {
  providers.push(provider);
  return provider;
}

beforeAll(async () => {
  const usage = {
    prompt_tokens: 12,
    completion_tokens: 34,
    cost: 0.0001234,
    prompt_tokens_details: { cached_tokens: 5 },
  };
  mock.onMessage(ask.plain, { content: PLAIN, usage }, { openRouterProcessing: true });
  mock.onMessage(ask.cut, { content: 'only three words', finishReason: 'length' });
  mock.onMessage(ask.slow, { content: LONG }, { latency: 10 });
  mock.onMessage('filtered question', { content: '', finishReason: 'content_filter' });
  mock.onMessage('tool question', { toolCalls: [{ id: 'call_1', name: 'get_weather', arguments: '{"city":"Bern"}' }] });
  mock.onMessage('busy question', { error: { message: 'slow down', type: 'rate_limit' }, status: 429, retryAfter: 3 });
  await mock.start();
});

afterAll(async () => {
  await Promise.all(providers.map((provider) => provider.close()));
  providers = [];
  await mock.stop();
});

describeProviderContract('OpenAI', () => ({ provider: made(new OpenAiProvider(settings('/v1'))), ask }));
describeProviderContract('OpenRouter', () => ({ provider: made(new OpenRouterProvider(settings('/api/v1'))), ask }));
describeProviderContract('offline', () => ({ provider: new OfflineProvider(3), ask }));

describe('against an independent server', () => {
  const question = (content: string) => [{ role: 'user', content } as const];
  const signal = (): AbortSignal => new AbortController().signal;

  it('gives the same text, reason and usage as the official SDK', async () => {
    const judge = new OpenAI({ baseURL: `${mock.url}/v1`, apiKey: 'sk-test-key', maxRetries: 0 });
    const provider = made(new OpenAiProvider(settings('/v1')));
    for (const content of [ask.plain, ask.cut, 'filtered question']) {
      const request = { model: 'gpt-4o-mini', messages: question(content) };
      let text = '';
      let reason: string | null = null;
      let tokens: number | undefined;
      const theirs = await judge.chat.completions.create({
        ...request,
        stream: true,
        stream_options: { include_usage: true },
      });
      for await (const chunk of theirs) {
        text += chunk.choices[0]?.delta.content ?? '';
        reason = chunk.choices[0]?.finish_reason ?? reason;
        tokens = chunk.usage?.completion_tokens ?? tokens;
      }
      const whole = await judge.chat.completions.create(request);
      const ours = await collect(provider.stream(request.messages, { model: request.model, params: {} }, signal()));
      const ourUsage = ours.find((event) => event.type === 'usage')?.usage;
      expect(textOf(ours)).toBe(text);
      expect(finishOf(ours).rawReason).toBe(reason);
      expect(ourUsage?.outputTokens).toBe(tokens);
      const ourWhole = await provider.generate(request.messages, { model: request.model, params: {} });
      expect(ourWhole).toMatchObject({ text: whole.choices[0]?.message.content, rawFinishReason: reason });
    }
  });

  it('sends a body that the server understands', async () => {
    const provider = made(new OpenAiProvider(settings('/v1')));
    const params = { temperature: 0.5, top_p: 0.9, max_output_tokens: 77, seed: 7, stop: ['END'] };
    mock.clearRequests();
    await collect(provider.stream(question(ask.plain), { model: 'gpt-4.1', params }, signal()));
    const entry = mock.getLastRequest();
    expect(entry?.response.status).toBe(200);
    expect(entry?.body).toMatchObject({
      model: 'gpt-4.1',
      messages: question(ask.plain),
      temperature: 0.5,
      top_p: 0.9,
      max_tokens: 77,
      seed: 7,
      stop: ['END'],
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(entry?.body).not.toHaveProperty('max_output_tokens');
    expect(entry?.body).not.toHaveProperty('presence_penalty');
  });

  it('reads the cost that OpenRouter reports, streamed and whole', async () => {
    const provider = made(new OpenRouterProvider(settings('/api/v1')));
    const told = { inputTokens: 12, outputTokens: 34, cachedInputTokens: 5, costMicroUsd: 123 };
    mock.clearRequests();
    const events = await collect(provider.stream(question(ask.plain), { model: null, params: {} }, signal()));
    expect(mock.getLastRequest()).toMatchObject({
      body: { usage: { include: true } },
      headers: { 'x-title': 'Parley' },
    });
    expect(events.find((event) => event.type === 'usage')).toMatchObject({
      type: 'usage',
      usage: told,
      rawUsage: { prompt_tokens: 12, completion_tokens: 34, cost: expect.any(Number) as number },
    });
    expect(finishOf(events).generationId).toMatch(/^gen-/);
    await expect(provider.generate(question(ask.plain), { model: null, params: {} })).resolves.toMatchObject({
      usage: told,
      rawUsage: { prompt_tokens: 12 },
    });
  });

  it('passes complete tool calls on', async () => {
    const provider = made(new OpenAiProvider(settings('/v1')));
    const events = await collect(provider.stream(question('tool question'), { model: null, params: {} }, signal()));
    expect(events.filter((event) => event.type === 'tool-call')).toEqual([
      { type: 'tool-call', id: 'call_1', name: 'get_weather', arguments: '{"city":"Bern"}' },
    ]);
    expect(finishOf(events).reason).toBe('tool_calls');
  });

  it.each([
    ['OpenAI', () => new OpenAiProvider(settings('/v1'))],
    ['OpenRouter', () => new OpenRouterProvider(settings('/api/v1'))],
  ])('reads the rate limit of %s', async (_, make) => {
    const provider = made(make());
    const expected = { code: 'provider_rate_limited', retryable: true, retryAfterMs: 3000, providerStatus: 429 };
    const events = provider.stream(question('busy question'), { model: null, params: {} }, signal());
    await expect(collect(events)).rejects.toMatchObject(expected);
    await expect(provider.generate(question('busy question'), { model: null, params: {} })).rejects.toMatchObject(
      expected,
    );
  });
});
