import { Injectable } from '@nestjs/common';
import { type CountStep, LongCounts } from './long-counts.js';
import { type Encoding, loadVocabulary, type Vocabulary } from './vocabulary.js';

/** How much is counted in one step. */
const SLICE_CHARS = 1000;
/** How far before the end of a slice a better place to cut is searched. */
const LOOK_BACK_CHARS = 100;
const SPACE = 0x20;
/** How long a step may run on the event loop, in milliseconds. */
const BUDGET_MS = 4;

/** What is counted, and for whom. */
export interface CountOptions {
  /** One long text is counted at a time per user. */
  readonly userId: string;
  /** The vocabulary; by default o200k_base, in which sizes are stored. */
  readonly encoding?: Encoding;
}

/** How far texts are counted. Chat owns the setting; the root module provides it under this class. */
export abstract class CountingLimit {
  /** No model is given more tokens than this. */
  abstract readonly contextTokens: number;
}

/**
 * The number of tokens of a text. It is an estimate for models with another vocabulary. Special tokens in a text
 * (`<|endoftext|>`) are plain text. Long texts are cut at white space into slices; without white space, a cut may add one token.
 * A text with more tokens than CONTEXT_TOKENS is counted up to that number; the rest is estimated by its length, so the result
 * is too large for any model, too. A vocabulary is loaded by `load`, or when it is first used.
 */
@Injectable()
export class TokenCounter {
  private readonly loaded = new Map<Encoding, Vocabulary>();
  private readonly loading = new Map<Encoding, Promise<Vocabulary>>();
  private readonly longCounts = new LongCounts();
  private readonly mostTokens: number;

  constructor({ contextTokens }: CountingLimit) {
    this.mostTokens = contextTokens;
  }

  /** A number if it is available at once, else a promise. Never blocks the event loop for more than about 10 ms. */
  count(text: string, { userId, encoding = 'o200k_base' }: CountOptions): number | Promise<number> {
    if (text === '') return 0;
    const vocabulary = this.loaded.get(encoding);
    if (vocabulary !== undefined) return this.countWith(vocabulary, text, userId);
    return this.load(encoding).then((loaded) => this.countWith(loaded, text, userId));
  }

  /**
   * Like `count`, for a text that a client sends.
   * Throws `rate_limited`, before it counts anything, when the user has sent too many long ones.
   */
  countSent(text: string, options: CountOptions): number | Promise<number> {
    if (text.length > SLICE_CHARS) this.longCounts.check(options.userId);
    return this.count(text, options);
  }

  /** Loads a vocabulary ahead of its first use. */
  load(encoding: Encoding = 'o200k_base'): Promise<Vocabulary> {
    const known = this.loading.get(encoding);
    if (known !== undefined) return known;
    const loading = loadVocabulary(encoding);
    this.loading.set(encoding, loading);
    loading.then(
      (vocabulary) => this.loaded.set(encoding, vocabulary),
      () => this.loading.delete(encoding),
    );
    return loading;
  }

  private countWith(vocabulary: Vocabulary, text: string, userId: string): number | Promise<number> {
    if (text.length <= SLICE_CHARS) return vocabulary.count(text);
    const step = countInSteps(text, vocabulary, this.mostTokens);
    // Text with spaces between its words takes less than one step.
    const atOnce = this.longCounts.isCounting(userId) ? null : step();
    return atOnce ?? this.longCounts.run(userId, step);
  }
}

function countInSteps(text: string, vocabulary: Vocabulary, most: number): CountStep {
  let tokens = 0;
  let place = 0;
  return () => {
    const begunMs = performance.now();
    while (place < text.length) {
      if (tokens > most) return Math.ceil((tokens * text.length) / place);
      if (performance.now() - begunMs > BUDGET_MS) return null;
      const end = sliceEnd(text, place);
      tokens += vocabulary.count(text.slice(place, end));
      place = end;
    }
    return tokens;
  };
}

/** Before a space after a word, where a token begins; otherwise anywhere except inside a surrogate pair. */
function sliceEnd(text: string, start: number): number {
  const most = start + SLICE_CHARS;
  if (most >= text.length) return text.length;
  for (let place = most; place > most - LOOK_BACK_CHARS; place--) {
    if (text.charCodeAt(place) === SPACE && text.charCodeAt(place - 1) > SPACE) return place;
  }
  const isPair = (text.charCodeAt(most) & 0xfc00) === 0xdc00 && (text.charCodeAt(most - 1) & 0xfc00) === 0xd800;
  return isPair ? most - 1 : most;
}
