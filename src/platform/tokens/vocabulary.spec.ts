import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { loadVocabulary } from './vocabulary.js';

const asPlainText = { disallowedSpecial: new Set<string>() };

const ALPHABETS = [
  'abcdefghijklmnopqrstuvwxyz ',
  'aA1 .,\n\r\t/\'"sS<|endoftext|>({[;:=]})->_',
  'äöüßéñçż абвгдежз ابجد هوز',
  '中文字符测试没有空格 한국어 테스트',
  '👋🏽😀👨‍👩‍👧é\u0000\u200d\u00a0\u2028 \ud800 \udc00',
].map((alphabet) => [...alphabet]);

/** A seeded generator, so that a failure can be reproduced. */
function numbers(): (below: number) => number {
  let seed = 1;
  return (below) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
}

describe.each([
  ['o200k_base', o200k],
  ['cl100k_base', cl100k],
] as const)('Vocabulary %s', (encoding, exact) => {
  it('agrees with gpt-tokenizer on any text', async () => {
    const vocabulary = await loadVocabulary(encoding);
    const next = numbers();
    const letters = [...ALPHABETS, ALPHABETS.flat()];
    const texts = Array.from({ length: 10_000 }, (_, i) =>
      Array.from({ length: 1 + next(40) }, () => {
        const from = letters[i % letters.length] as string[];
        return from[next(from.length)] as string;
      }).join(''),
    );
    const different = texts.filter((text) => vocabulary.count(text) !== exact(text, asPlainText));
    expect(different).toEqual([]);
  });

  it('agrees with gpt-tokenizer on text without breaks', async () => {
    const vocabulary = await loadVocabulary(encoding);
    const next = numbers();
    for (const letters of ALPHABETS) {
      const text = Array.from({ length: 500 }, () => letters[next(letters.length)])
        .join('')
        .replace(/\s/g, '');
      expect(vocabulary.count(text)).toBe(exact(text, asPlainText));
    }
    const rare = Array.from({ length: 1000 }, (_, i) => String.fromCharCode(0x4e00 + ((i * 7919) % 20_000))).join('');
    expect(vocabulary.count(rare)).toBe(exact(rare, asPlainText));
    expect(vocabulary.count('中'.repeat(1000))).toBe(exact('中'.repeat(1000), asPlainText));
  });

  it('counts a byte order mark like any other character', async () => {
    const vocabulary = await loadVocabulary(encoding);
    // The number is tiktoken's; gpt-tokenizer loses the mark in its UTF-8 decoder.
    expect(vocabulary.count('\ufeff')).toBe(1);
    expect(vocabulary.count('')).toBe(0);
  });
});
