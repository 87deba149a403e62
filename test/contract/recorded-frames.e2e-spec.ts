import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OpenAiProvider } from '../../src/modules/llm/providers/openai.provider.js';
import { OpenRouterProvider } from '../../src/modules/llm/providers/openrouter.provider.js';
import type { LlmEvent, LlmProvider, RawUsage } from '../../src/modules/llm/public/llm-provider.js';
import { RawUpstream, sse } from '../support/raw-upstream.js';
import { collect, finishOf, textOf } from './provider-contract.js';

const FOLDER = join(import.meta.dirname, '../fixtures/llm');
const usage = (
  inputTokens: number,
  outputTokens: number,
  cachedInputTokens: number | null,
  costMicroUsd: number | null,
) => {
  const rawUsage = expect.objectContaining({ prompt_tokens: inputTokens, completion_tokens: outputTokens }) as RawUsage;
  return { type: 'usage', usage: { inputTokens, outputTokens, cachedInputTokens, costMicroUsd }, rawUsage } as const;
};
const finish = (reason: string, generationId: string, model: string, rawReason = reason) =>
  ({ type: 'finish', reason, rawReason, generationId, model }) as LlmEvent;

const OPENAI_ID = 'chatcmpl-CbX1v0GkPq3uWnT7eYh2LrSd';
const OPENAI_MODEL = 'gpt-4o-mini-2024-07-18';

/** File, provider, text, events after the text. */
const RECORDINGS: readonly [string, 'openai' | 'openrouter', string, readonly LlmEvent[]][] = [
  [
    'openai.sse',
    'openai',
    'Zürich is nice.\n“Grüezi!” 👋🏽',
    [usage(24, 13, 16, null), finish('stop', OPENAI_ID, OPENAI_MODEL)],
  ],
  [
    'openai-tool-calls.sse',
    'openai',
    '',
    [
      { type: 'tool-call', id: 'call_Qk3vX9', name: 'get_weather', arguments: '{"city":"Bern"}' },
      { type: 'tool-call', id: 'call_Zz81Lm', name: 'get_time', arguments: '{}' },
      usage(24, 13, 16, null),
      finish('tool_calls', OPENAI_ID, OPENAI_MODEL),
    ],
  ],
  [
    'openai-refusal.sse',
    'openai',
    "I'm sorry, I can't help with that.",
    [finish('content_filter', OPENAI_ID, OPENAI_MODEL, 'stop')],
  ],
  [
    'openrouter.sse',
    'openrouter',
    'Good morning! How can I help?',
    [usage(194, 9, 128, 718), finish('stop', 'gen-1763812399-Ky7Wq0aVbN5d', 'anthropic/claude-sonnet-4')],
  ],
  ['ollama.sse', 'openai', 'Sure, here: **bold**', [finish('stop', 'chatcmpl-514', 'llama3.2')]],
  [
    'vllm.sse',
    'openai',
    '您好，这里是 vLLM',
    [usage(31, 7, null, null), finish('length', 'chatcmpl-0f3c9a', 'Qwen/Qwen2.5-7B-Instruct')],
  ],
  ['llama-cpp-crlf.sse', 'openai', 'Local models say\n hi', [finish('stop', 'chatcmpl-tZ3M1fQ', 'gpt-3.5-turbo')]],
];

/** `bytes` in pieces; a size of 0 is one piece. */
function pieces(bytes: Buffer, size: number): Buffer[] {
  if (size === 0) return [bytes];
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

describe('recorded frames of providers', () => {
  let upstream: RawUpstream;
  let providers: Record<'openai' | 'openrouter', LlmProvider>;

  beforeAll(async () => {
    upstream = await RawUpstream.start();
    const settings = {
      baseUrl: upstream.url,
      apiKey: 'k',
      model: 'm',
      connectTimeoutMs: 1000,
      probeTimeoutMs: 1000,
      maxAnswerChars: 100_000,
    };
    providers = { openai: new OpenAiProvider(settings), openrouter: new OpenRouterProvider(settings) };
  });

  afterAll(async () => {
    await Promise.all(Object.values(providers).map((provider) => provider.close()));
    await upstream.close();
  });

  const run = (provider: LlmProvider) =>
    collect(
      provider.stream([{ role: 'user', content: 'Hi' }], { model: null, params: {} }, new AbortController().signal),
    );

  describe.each(RECORDINGS)('%s', (file, name, text, closing) => {
    it.each([0, 1, 7, 100])('in pieces of %i bytes', async (size) => {
      upstream.answerWith(sse(...pieces(readFileSync(join(FOLDER, file)), size)));
      const events = await run(providers[name]);
      expect(textOf(events)).toBe(text);
      const { generationId } = finishOf(events);
      const opening = text === '' ? [] : [{ type: 'generation', id: generationId }];
      expect(events.filter(({ type }) => type !== 'text-delta')).toEqual([...opening, ...closing]);
    });
  });

  it("fails with OpenRouter's error in the middle, after the text before it", async () => {
    upstream.answerWith(sse(readFileSync(join(FOLDER, 'openrouter-midstream-error.sse'))));
    const seen: LlmEvent[] = [];
    const read = async (): Promise<void> => {
      const signal = new AbortController().signal;
      for await (const event of providers.openrouter.stream([], { model: null, params: {} }, signal)) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({ code: 'provider_error', retryable: true, providerStatus: 502 });
    expect(textOf(seen)).toBe('The first half');
  });

  it('includes a file that still has CRLF', () => {
    expect(readFileSync(join(FOLDER, 'llama-cpp-crlf.sse'), 'utf8')).toContain('\r\n\r\n');
  });
});
