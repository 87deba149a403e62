import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { TokenCounter } from './token-counter.js';

const asPlainText = { disallowedSpecial: new Set<string>() };

describe('TokenCounter', () => {
  const counter = new TokenCounter();
  beforeAll(() => counter.load());

  it('answers at once for short texts once it is loaded, and by promise before', async () => {
    expect(counter.count('Hello, world!')).toBe(4);
    expect(counter.count('')).toBe(0);
    await expect(new TokenCounter().count('Hello, world!')).resolves.toBe(4);
  });

  it('counts by another vocabulary when asked to', async () => {
    const text = 'Donaudampfschifffahrtsgesellschaft 船長の帽子';
    expect(await counter.count(text, 'cl100k_base')).toBe(cl100k(text));
    expect(counter.count(text)).toBe(countTokens(text));
    expect(cl100k(text)).not.toBe(countTokens(text));
  });

  it('counts special tokens as plain text', () => {
    expect(counter.count('<|endoftext|>')).toBeGreaterThan(1);
    expect(counter.count('<|im_start|>system<|im_end|>')).toBeGreaterThan(3);
  });

  it('agrees with the tokenizer on long prose, slice by slice', async () => {
    const prose = Array.from(
      { length: 900 },
      (_, i) => `Line ${i}: Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.`,
    );
    const text = prose.join('\n');
    expect(text.length).toBeGreaterThan(50_000);
    expect(await counter.count(text)).toBe(countTokens(text, asPlainText));
  });

  it('is off by no more than a token a slice where there is no white space', async () => {
    const text = '中文字符测试没有空格'.repeat(1000);
    const exact = countTokens(text.slice(0, 3000), asPlainText);
    const sliced = await counter.count(text.slice(0, 3000));
    expect(Math.abs(sliced - exact)).toBeLessThanOrEqual(3);
  });

  it('does not cut surrogate pairs', async () => {
    const text = `x${'👋'.repeat(2000)}`;
    const exact = countTokens('👋'.repeat(100), asPlainText) * 20;
    expect(Math.abs((await counter.count(text)) - exact)).toBeLessThanOrEqual(20);
  });

  it('lets the event loop breathe while it counts 100,000 repeated characters', async () => {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const tokens = await counter.count('中'.repeat(100_000));
    clearInterval(timer);
    expect(tokens).toBeGreaterThan(50_000);
    // A slice takes some 6 ms; one go would take minutes.
    expect(longest).toBeLessThan(200);
  });
});
