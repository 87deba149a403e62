import { Injectable } from '@nestjs/common';

type Count = (text: string) => number;

/**
 * Vocabularies of OpenAI's models: since GPT-4o, and before. Each is a file of its own, loaded when it is first used.
 */
const VOCABULARIES = {
  o200k_base: () => import('gpt-tokenizer/encoding/o200k_base'),
  cl100k_base: () => import('gpt-tokenizer/encoding/cl100k_base'),
} as const;
export type Encoding = keyof typeof VOCABULARIES;

/** BPE takes quadratic time for text without a break: 1,000 characters 6 ms, 4,000 90 ms (measured, Chinese). */
const SLICE_CHARS = 1000;
/** How far before the end of a slice a better place to cut is looked for. */
const LOOK_BACK_CHARS = 100;
const SPACE = 0x20;
/** Work on the event loop in one go, in milliseconds. */
const BUDGET_MS = 4;
/** Merges that the tokenizer remembers; its own 100,000 could hold on to gigabytes of other people's texts. */
const REMEMBERED_MERGES = 10_000;

/**
 * How many tokens a text has by a vocabulary; without one named by o200k_base, in which sizes are stored. For models with
 * another one that is an estimate. Special tokens in a text (`<|endoftext|>`) are plain text. Long texts are cut at white
 * space into slices, which may add one token where there is none. A vocabulary (150 ms, 60 MB) is loaded at its first use
 * or by `load`.
 */
@Injectable()
export class TokenCounter {
  private readonly counts = new Map<Encoding, Count>();
  private readonly loading = new Map<Encoding, Promise<Count>>();

  /** A number when it can be had at once, else a promise; the event loop is never held for more than some 10 ms. */
  count(text: string, encoding: Encoding = 'o200k_base'): number | Promise<number> {
    if (text === '') return 0;
    const countSlice = this.counts.get(encoding);
    if (countSlice !== undefined) return this.countFrom(text, 0, 0, countSlice);
    return this.load(encoding).then((loaded) => this.countFrom(text, 0, 0, loaded));
  }

  /** Loads a vocabulary ahead of its first use. */
  load(encoding: Encoding = 'o200k_base'): Promise<Count> {
    const known = this.loading.get(encoding);
    if (known !== undefined) return known;
    const loading = loadCount(encoding);
    this.loading.set(encoding, loading);
    loading.then(
      (countSlice) => this.counts.set(encoding, countSlice),
      () => this.loading.delete(encoding),
    );
    return loading;
  }

  private countFrom(text: string, from: number, counted: number, countSlice: Count): number | Promise<number> {
    const start = performance.now();
    let tokens = counted;
    let place = from;
    while (place < text.length) {
      if (place > from && performance.now() - start > BUDGET_MS) {
        return immediate().then(() => this.countFrom(text, place, tokens, countSlice));
      }
      const end = sliceEnd(text, place);
      tokens += countSlice(ownCopy(text, place, end));
      place = end;
    }
    return tokens;
  }
}

async function loadCount(encoding: Encoding): Promise<Count> {
  const { countTokens, setMergeCacheSize } = await VOCABULARIES[encoding]();
  setMergeCacheSize(REMEMBERED_MERGES);
  const asPlainText = { disallowedSpecial: new Set<string>() };
  return (text) => countTokens(text, asPlainText);
}

/** Before a space after a word, where a token begins; else anywhere but inside a surrogate pair. */
function sliceEnd(text: string, start: number): number {
  const most = start + SLICE_CHARS;
  if (most >= text.length) return text.length;
  for (let place = most; place > most - LOOK_BACK_CHARS; place--) {
    if (text.charCodeAt(place) === SPACE && text.charCodeAt(place - 1) > SPACE) return place;
  }
  const isPair = (text.charCodeAt(most) & 0xfc00) === 0xdc00 && (text.charCodeAt(most - 1) & 0xfc00) === 0xd800;
  return isPair ? most - 1 : most;
}

/** V8 lets a slice hold its whole text, and the tokenizer remembers slices: a copy holds only itself. */
function ownCopy(text: string, start: number, end: number): string {
  return start === 0 && end === text.length && end <= SLICE_CHARS ? text : ` ${text.slice(start, end)}`.slice(1);
}

function immediate(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
