import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { countTokens as o200k } from 'gpt-tokenizer/encoding/o200k_base';
import { countTokens as p50k } from 'gpt-tokenizer/encoding/p50k_base';
import type { ModelWindow } from '../../llm/public/model-windows.js';
import { contextBudget, hasRoomFor, UNKNOWN_TOKENIZER_SHARE } from './context-budget.js';

const known: ModelWindow = { contextWindow: 10_000, maxOutputTokens: 2000, encoding: 'o200k_base' };
const unknown: ModelWindow = { contextWindow: null, maxOutputTokens: null, encoding: null };

describe('contextBudget', () => {
  it('is the configured number, where the window has room for more', () => {
    expect(contextBudget(5000, known, undefined)).toBe(5000);
  });

  it('leaves room in the window for the longest answer: the requested one, or else the longest of the model', () => {
    expect(contextBudget(16_000, known, undefined)).toBe(8000);
    expect(contextBudget(16_000, known, 500)).toBe(9500);
    expect(contextBudget(16_000, known, 9000)).toBe(1000);
  });

  it('keeps half the window for the input of models whose answer could fill all of it', () => {
    expect(contextBudget(16_000, { ...known, contextWindow: 8192, maxOutputTokens: 8192 }, undefined)).toBe(4096);
    expect(contextBudget(16_000, { ...known, maxOutputTokens: null }, undefined)).toBe(5000);
  });

  it('is zero when the answer alone may fill the window', () => {
    expect(contextBudget(16_000, known, 20_000)).toBe(0);
  });

  it('keeps a margin for models with another tokenizer, both in the configured tokens and in their window', () => {
    expect(contextBudget(16_000, unknown, 500)).toBe(11_200);
    expect(contextBudget(16_000, { ...unknown, contextWindow: 10_000 }, 500)).toBe(6650);
  });
});

describe('hasRoomFor', () => {
  const sized = { inputTokens: 9000, encoding: 'o200k_base', answerTokens: 1000 } as const;

  it('compares with the window minus the requested answer, or minus a short answer when none was requested', () => {
    expect(hasRoomFor(sized, known)).toBe(true);
    expect(hasRoomFor({ ...sized, inputTokens: 9001 }, known)).toBe(false);
    expect(hasRoomFor({ ...sized, inputTokens: 9500, answerTokens: undefined }, known)).toBe(true);
    expect(hasRoomFor({ ...sized, inputTokens: 9501, answerTokens: undefined }, known)).toBe(false);
  });

  it('keeps a margin for models with another tokenizer than the one used for counting', () => {
    for (const encoding of ['cl100k_base', null] as const) {
      expect(hasRoomFor({ ...sized, inputTokens: 6300 }, { ...known, encoding })).toBe(true);
      expect(hasRoomFor({ ...sized, inputTokens: 6301 }, { ...known, encoding })).toBe(false);
    }
    const older = { ...known, encoding: 'cl100k_base' } as const;
    expect(hasRoomFor({ ...sized, encoding: 'cl100k_base' }, older)).toBe(true);
    // Models with an unknown tokenizer are counted by the newest vocabulary.
    expect(hasRoomFor({ ...sized, encoding: null }, known)).toBe(true);
  });

  it('assumes that there is room when the window is unknown', () => {
    expect(hasRoomFor({ ...sized, inputTokens: 1_000_000 }, unknown)).toBe(true);
  });
});

describe('the margin for an unknown tokenizer', () => {
  // These vocabularies have half and a quarter as many entries as the one used for estimates, like those of other
  // providers.
  const samples = {
    English: `The harbour was quiet when the first boats came in, and nobody had thought of telling the old keeper that the
      light would not be needed any more. "You will want your breakfast," she said, and put the kettle on.`,
    German: `Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. Danach gab es für alle Beteiligten Kaffee und
      selbst gebackenen Kuchen, obwohl es an jenem Nachmittag schon ziemlich spät geworden war.`,
    French: `Le port était calme quand les premiers bateaux sont rentrés, et personne n'avait pensé à prévenir le vieux gardien
      que la lumière ne serait plus nécessaire.`,
    code: `export function sum(numbers: readonly number[]): number {\n  return numbers.reduce((a, b) => a + b, 0);\n}`,
  };

  it.each(Object.entries(samples))('is enough for cl100k_base in %s', (_, text) => {
    expect(o200k(text)).toBeGreaterThanOrEqual(cl100k(text) * UNKNOWN_TOKENIZER_SHARE);
  });

  it('is enough for a vocabulary of a quarter of the size in English', () => {
    expect(o200k(samples.English)).toBeGreaterThanOrEqual(p50k(samples.English) * UNKNOWN_TOKENIZER_SHARE);
  });
});
