import { countTokens as cl100k } from 'gpt-tokenizer/encoding/cl100k_base';
import { type CountOptions, TokenCounter } from '../../../platform/tokens/token-counter.js';
import { type ContextInput, IMAGE_TOKENS } from './context-builder.js';
import { TextSizes } from './text-sizes.js';

/** The real counter, which also records the texts that it counted. */
class WatchedCounter extends TokenCounter {
  readonly counted: string[] = [];

  override count(text: string, options: CountOptions): number | Promise<number> {
    this.counted.push(text);
    return super.count(text, options);
  }
}

const config = { contextTokens: 16_000 };
const options = { userId: 'ada', encoding: 'cl100k_base' } as const;
const german = 'Donaudampfschifffahrtsgesellschaftskapitänsmütze';
const texts = ['Wie heißt das?', german, 'Und auf Japanisch?', '船長の帽子'];
/** Newest first; the stored sizes are wrong on purpose. */
const history = texts
  .map((content, i) => ({
    message: { role: i % 2 === 0 ? 'user' : 'assistant', content } as const,
    tokens: 1,
    position: i + 1,
  }))
  .reverse();
const input: ContextInput = {
  prompts: [{ message: { role: 'system', content: 'Sei höflich.' }, tokens: 1 }],
  history,
  pathLength: 4,
  summary: null,
  question: { message: { role: 'user', content: 'Noch einmal?' }, tokens: 1 },
  budget: 1000,
};

describe('TextSizes', () => {
  it('returns the sizes in the vocabulary of the model', async () => {
    const recounted = await new TextSizes(new TokenCounter(config)).recount(input, options);
    expect(recounted.history.map(({ tokens }) => tokens)).toEqual([...texts].reverse().map((text) => cl100k(text)));
    expect(recounted.prompts[0]?.tokens).toBe(cl100k('Sei höflich.'));
    expect(recounted.question.tokens).toBe(cl100k('Noch einmal?'));
  });

  it('counts each text once, however many turns send it', async () => {
    const counter = new WatchedCounter(config);
    const sizes = new TextSizes(counter);
    await sizes.recount(input, options);
    expect(counter.counted).toHaveLength(6);
    const next = { message: { role: 'user', content: 'Something new' } as const, tokens: 1 };
    await sizes.recount({ ...input, question: next }, options);
    expect(counter.counted.slice(6)).toEqual(['Something new']);
  });

  it('counts no more of the history than there can be room for', async () => {
    const counter = new WatchedCounter(config);
    const { history } = await new TextSizes(counter).recount({ ...input, budget: 30 }, options);
    expect(history.length).toBeLessThan(4);
    expect(counter.counted).not.toContain(texts[0]);
  });

  it('adds texts and pictures of a message', async () => {
    const image_url = { url: 'https://example.com/a.png' };
    const content = [{ type: 'text', text: german } as const, { type: 'image_url', image_url } as const];
    expect(await new TextSizes(new TokenCounter(config)).sizeOf({ role: 'user', content }, options)).toBe(
      cl100k(german) + IMAGE_TOKENS,
    );
  });
});
