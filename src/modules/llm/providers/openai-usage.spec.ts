import { type JsonObject, parseJson } from './json-fields.js';
import { openAiUsage, openRouterUsage, rawUsage } from './openai-usage.js';

describe('usage', () => {
  it.each<[string, JsonObject, number | null, number | null, number | null]>([
    ['OpenAI', { prompt_tokens: 5, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } }, 5, 3, 2],
    ['responses', { input_tokens: 5, output_tokens: 3, input_tokens_details: { cached_tokens: 2 } }, 5, 3, 2],
    ['DeepSeek', { prompt_tokens: 5, completion_tokens: 3, prompt_cache_hit_tokens: 2 }, 5, 3, 2],
    ['Moonshot', { prompt_tokens: 5, completion_tokens: 3, cached_tokens: 2 }, 5, 3, 2],
    [
      'Anthropic',
      { input_tokens: 5, output_tokens: 3, cache_read_input_tokens: 2, cache_creation_input_tokens: 1 },
      8,
      3,
      2,
    ],
    [
      'Anthropic with a total',
      { input_tokens: 5, output_tokens: 3, cache_read_input_tokens: 2, total_tokens: 8 },
      5,
      3,
      2,
    ],
    ['reasoning inside', { prompt_tokens: 5, completion_tokens: 9, total_tokens: 14 }, 5, 9, null],
    [
      'xAI, reasoning outside',
      { prompt_tokens: 5, completion_tokens: 1, reasoning_tokens: 8, total_tokens: 14 },
      5,
      9,
      null,
    ],
    ['a total that is too small', { prompt_tokens: 5, completion_tokens: 3, total_tokens: 0 }, 5, 3, null],
    ['a part', { completion_tokens: 3, total_tokens: 9 }, null, 3, null],
  ])('is read as %s spells it', (_, usage, inputTokens, outputTokens, cachedInputTokens) => {
    expect(openAiUsage(usage)).toEqual({ inputTokens, outputTokens, cachedInputTokens, costMicroUsd: null });
  });

  it('costs the fee and what the provider behind OpenRouter charges for a key of one’s own', () => {
    const usage = { cost: 0.00001, cost_details: { upstream_inference_cost: 0.0002 } };
    expect(openRouterUsage({ ...usage, is_byok: true })?.costMicroUsd).toBe(210);
    expect(openRouterUsage(usage)?.costMicroUsd).toBe(10);
  });

  it('is none when nothing is told', () => {
    expect(openAiUsage({})).toBeNull();
    expect(openAiUsage({ prompt_tokens: null, total_tokens: -1 })).toBeNull();
  });
});

describe('rawUsage', () => {
  it('is the object as it came', () => {
    const usage = { prompt_tokens: 3, prompt_tokens_details: { cached_tokens: 1 }, note: 'naïve 👋' };
    expect(rawUsage(usage)).toBe(usage);
  });

  it.each([
    ['is far too large', JSON.stringify({ prompt_tokens: 1, note: 'x'.repeat(5000) })],
    ['has a NUL', '{"prompt_tokens": 1, "note": "\\u0000"}'],
    ['has half a surrogate pair', '{"prompt_tokens": 1, "\\ud83d": 1}'],
  ])('is not kept when it %s', (_, json) => {
    expect(rawUsage(parseJson(json) as JsonObject)).toBeNull();
  });

  it('is read, but not kept as it came, when it is nested too deeply for JSON.stringify', () => {
    const deep = parseJson(`{"prompt_tokens":1,"x":${'['.repeat(100_000)}${']'.repeat(100_000)}}`) as JsonObject;
    expect(openAiUsage(deep)?.inputTokens).toBe(1);
    expect(rawUsage(deep)).toBeNull();
  });
});
