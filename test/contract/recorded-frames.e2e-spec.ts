import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { OpenAiProvider } from '../../src/modules/llm/providers/openai.provider.js';
import { OpenRouterProvider } from '../../src/modules/llm/providers/openrouter.provider.js';
import type { LlmEvent, LlmProvider } from '../../src/modules/llm/public/llm-provider.js';
import { RawUpstream, sse } from '../support/raw-upstream.js';
import { FRAME_FILES } from './frame-files.js';

const FOLDER = join(import.meta.dirname, '../fixtures/llm');

/** `bytes` in pieces; a size of 0 is one piece. */
function pieces(bytes: Buffer, size: number): Buffer[] {
  if (size === 0) return [bytes];
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

const joined = (events: readonly LlmEvent[], type: 'text-delta' | 'reasoning-delta'): string =>
  events.map((event) => (event.type === type ? event.text : '')).join('');

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

  describe.each(FRAME_FILES)('$file', ({ file, provider, text, reasoning, generationId, closing, failure }) => {
    it.each([0, 1, 100])('in pieces of %i bytes', async (size) => {
      upstream.answerWith(sse(...pieces(readFileSync(join(FOLDER, file)), size)));
      const events: LlmEvent[] = [];
      const read = async (): Promise<void> => {
        const signal = new AbortController().signal;
        const stream = providers[provider].stream([], { model: null, params: {} }, signal);
        for await (const event of stream) events.push(event);
      };
      if (failure === null) await read();
      else await expect(read()).rejects.toMatchObject({ name: 'LlmError', code: failure });
      expect({ text: joined(events, 'text-delta'), reasoning: joined(events, 'reasoning-delta') }).toEqual({
        text,
        reasoning,
      });
      const opening = generationId === null ? [] : [{ type: 'generation', id: generationId }];
      expect(events.filter(({ type }) => !type.endsWith('-delta'))).toEqual([...opening, ...closing]);
      expect(events.findIndex(({ type }) => type === 'generation')).toBeLessThan(1);
    });
  });

  it('has an expectation for each file', () => {
    expect(FRAME_FILES.map(({ file }) => file).sort()).toEqual(readdirSync(FOLDER).sort());
  });

  it('includes a file that still has CRLF', () => {
    expect(readFileSync(join(FOLDER, 'llama-cpp-crlf.sse'), 'utf8')).toContain('\r\n\r\n');
  });
});
