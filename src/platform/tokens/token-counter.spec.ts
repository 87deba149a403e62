import { jest } from '@jest/globals';
import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { TokenCounter } from './token-counter.js';

const config = { contextTokens: 100_000 };
const ada = { userId: 'ada' };
const asPlainText = { disallowedSpecial: new Set<string>() };

describe('TokenCounter', () => {
  const counter = new TokenCounter(config);
  beforeAll(() => counter.load());

  it('counts short texts synchronously once it is loaded, and with a promise before', async () => {
    expect(counter.count('Hello, world!', ada)).toBe(4);
    expect(counter.count('', ada)).toBe(0);
    await expect(new TokenCounter(config).count('Hello, world!', ada)).resolves.toBe(4);
  });

  it('counts with another vocabulary on request', async () => {
    const text = 'Donaudampfschifffahrtsgesellschaft 船長の帽子';
    expect(await counter.count(text, { ...ada, encoding: 'cl100k_base' })).toBe(cl100k(text));
    expect(counter.count(text, ada)).toBe(countTokens(text));
    expect(cl100k(text)).not.toBe(countTokens(text));
  });

  it('counts special tokens as plain text', () => {
    expect(counter.count('<|endoftext|>', ada)).toBeGreaterThan(1);
    expect(counter.count('<|im_start|>system<|im_end|>', ada)).toBeGreaterThan(3);
  });

  it('agrees with the tokenizer on long prose, slice by slice', async () => {
    const prose = Array.from(
      { length: 900 },
      (_, i) => `Line ${i}: Zwölf Boxkämpfer jagen Viktor quer über den Sylter Deich.`,
    );
    const text = prose.join('\n');
    expect(text.length).toBeGreaterThan(50_000);
    expect(await counter.count(text, ada)).toBe(countTokens(text, asPlainText));
  });

  it('is off by at most one token per slice without white space', async () => {
    const text = '中文字符测试没有空格'.repeat(1000);
    const exact = countTokens(text.slice(0, 3000), asPlainText);
    const sliced = await counter.count(text.slice(0, 3000), ada);
    expect(Math.abs(sliced - exact)).toBeLessThanOrEqual(3);
  });

  it('does not cut surrogate pairs', async () => {
    const text = `x${'👋'.repeat(2000)}`;
    const exact = countTokens('👋'.repeat(100), asPlainText) * 20;
    expect(Math.abs((await counter.count(text, ada)) - exact)).toBeLessThanOrEqual(20);
  });

  it('counts only as many tokens as a model may read, and estimates the rest by its length', async () => {
    const counted = jest.spyOn(await counter.load(), 'count');
    const few = new TokenCounter({ contextTokens: 1000 });
    Object.assign(few, { load: () => counter.load() });
    const tokens = await few.count('one two three four '.repeat(5000), ada);
    const charsCounted = counted.mock.calls.reduce((sum, [slice]) => sum + slice.length, 0);
    counted.mockRestore();
    expect(charsCounted).toBeLessThan(7000);
    expect(Math.abs(tokens - 20_000)).toBeLessThan(1000);
  });

  it('does not block the event loop while it counts 100,000 repeated characters', async () => {
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const tokens = await counter.count('中'.repeat(100_000), ada);
    clearInterval(timer);
    expect(tokens).toBeGreaterThan(50_000);
    // A slice takes about 1 ms; a single step would block the loop a hundred times as long.
    expect(longest).toBeLessThan(200);
  });
});
