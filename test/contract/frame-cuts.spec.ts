import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { AnswerBody } from '../../src/modules/llm/providers/answer-body.js';
import { AnswerDecoder } from '../../src/modules/llm/providers/answer-decoder.js';
import { redactor } from '../../src/modules/llm/providers/openai-errors.js';
import { openAiUsage, openRouterUsage } from '../../src/modules/llm/providers/openai-usage.js';
import { FRAME_FILES, type FrameFile } from './frame-files.js';

const FOLDER = join(import.meta.dirname, '../fixtures/llm');
/** Files up to this size are cut at each byte. */
const SMALL_BYTES = 800;
const RANDOM_CUTS = 150;

/** A sequence that looks random and is the same in each run (mulberry32). */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...new Set(places)].sort((a, b) => a - b);
  return [...ends, bytes.length].map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

/** Type `text/plain`: what the body is must be seen in its first piece, however small. */
function read({ provider }: FrameFile, pieces: readonly Buffer[], type: string) {
  const usageOf = provider === 'openai' ? openAiUsage : openRouterUsage;
  const dialect = { usageOf, redact: redactor(''), maxAnswerChars: 100_000 };
  const decoder = new AnswerDecoder(dialect);
  const body = new AnswerBody(decoder, dialect, 200, { 'content-type': type });
  let [text, reasoning] = ['', ''];
  const take = (): void => {
    text += decoder.takeText();
    reasoning += decoder.takeReasoning();
  };
  for (const piece of pieces) {
    body.read(piece);
    take();
  }
  body.end();
  take();
  const code = decoder.failure?.code ?? (decoder.isComplete ? null : 'provider_disconnected');
  const closing = code === null ? decoder.closing() : decoder.usageEvents();
  return { text, reasoning, generationId: decoder.generationId, closing, failure: code };
}

it('reads a completion the same, cut in two at any place', () => {
  const message = { role: 'assistant', content: '<think>Hm é</think>Grüße 👋🏽' };
  const choices = [
    { index: 1, message: { content: 'x' } },
    { index: 0, message, finish_reason: 'stop' },
  ];
  const bytes = Buffer.from(`\ufeff \n${JSON.stringify({ id: 'c', choices })}`);
  const file: FrameFile = { ...(FRAME_FILES[0] as FrameFile), provider: 'openai' };
  for (let place = 1; place < bytes.length; place++) {
    for (const type of ['application/json', 'text/html']) {
      const expected = { text: 'Grüße 👋🏽', reasoning: 'Hm é', generationId: 'c', failure: null };
      expect(read(file, cut(bytes, [place]), type)).toMatchObject(expected);
    }
  }
});

describe.each(FRAME_FILES)('$file reads the same', (frameFile) => {
  const { text, reasoning, generationId, closing, failure } = frameFile;
  const expected = { text, reasoning, generationId, closing, failure };
  const bytes = readFileSync(join(FOLDER, frameFile.file));

  it('cut in two at any place', () => {
    const step = bytes.length <= SMALL_BYTES ? 1 : 7;
    for (let place = 1; place < bytes.length; place += step) {
      expect(read(frameFile, cut(bytes, [place]), 'text/plain')).toEqual(expected);
    }
  });

  it('cut at each byte', () => {
    const pieces = Array.from(bytes, (_, place) => bytes.subarray(place, place + 1));
    expect(read(frameFile, pieces, 'text/event-stream')).toEqual(expected);
    expect(read(frameFile, pieces, '')).toEqual(expected);
  });

  it('cut at many random places', () => {
    const random = randomFrom(bytes.length);
    for (let round = 0; round < RANDOM_CUTS; round++) {
      const places = Array.from({ length: 1 + Math.floor(random() * 20) }, () => Math.floor(random() * bytes.length));
      expect(read(frameFile, cut(bytes, places), 'text/event-stream')).toEqual(expected);
    }
  });
});
