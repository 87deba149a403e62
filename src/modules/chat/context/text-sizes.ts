import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type CountOptions, TokenCounter } from '../../../platform/tokens/token-counter.js';
import type { LlmMessage } from '../../llm/public/llm-provider.js';
import type { ContextEntry } from '../turn.js';
import { type ContextInput, costOf, IMAGE_TOKENS, roomBeside } from './context-builder.js';

/** The number of cached sizes; about 100 bytes each. */
const REMEMBERED = 20_000;

/**
 * Token counts for models whose vocabulary differs from that of the stored sizes. Each text is counted once and its
 * size is cached under its hash. Hashing costs a fiftieth of counting, so a turn only counts texts that are new since
 * the last one.
 */
@Injectable()
export class TextSizes {
  private readonly sizes = new Map<string, number>();

  constructor(private readonly tokens: TokenCounter) {}

  /** Returns the input with sizes in the given vocabulary, and with only as much history as can fit. */
  async recount(input: ContextInput, options: CountOptions): Promise<ContextInput> {
    const sized = async <E extends ContextEntry>(entry: E): Promise<E> => ({
      ...entry,
      tokens: await this.sizeOf(entry.message, options),
    });
    const prompts: ContextEntry[] = [];
    for (const prompt of input.prompts) prompts.push(await sized(prompt));
    const question = await sized(input.question);
    const history: ContextInput['history'][number][] = [];
    let left = roomBeside(prompts, input.budget) - costOf(question);
    // Stop after the first entry without room: it is enough to show that there is none.
    for (const entry of input.history) {
      if (left < 0) break;
      const counted = await sized(entry);
      history.push(counted);
      left -= costOf(counted);
    }
    return { ...input, prompts, question, history };
  }

  async sizeOf({ content }: LlmMessage, options: CountOptions): Promise<number> {
    if (typeof content === 'string') return this.count(content, options);
    let size = 0;
    for (const part of content) size += part.type === 'text' ? await this.count(part.text, options) : IMAGE_TOKENS;
    return size;
  }

  private async count(text: string, options: CountOptions): Promise<number> {
    const key = `${options.encoding ?? ''} ${createHash('sha256').update(text).digest('base64')}`;
    const known = this.sizes.get(key);
    const size = known ?? (await this.tokens.count(text, options));
    // Insert it again, so that the least recently used entry is evicted first.
    this.sizes.delete(key);
    this.sizes.set(key, size);
    for (const oldest of this.sizes.keys()) {
      if (this.sizes.size <= REMEMBERED) break;
      this.sizes.delete(oldest);
    }
    return size;
  }
}
