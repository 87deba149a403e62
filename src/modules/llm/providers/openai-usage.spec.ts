import { type JsonObject, parseJson } from './json-fields.js';
import { rawUsage } from './openai-usage.js';

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
});
