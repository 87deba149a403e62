import type { LlmEvent } from '../public/llm-provider.js';
import { RefusalError } from './openai-errors.js';
import type { Lesson } from './request-lessons.js';

const NONE: readonly Lesson[] = [];
/** Addresses and models that are remembered at a time; the oldest is forgotten beyond, and learned again at its next call. */
const MAX_REMEMBERED = 10_000;
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * What servers have refused in requests, by address and model, for as long as this instance runs. A lesson counts once a
 * request without the refused field was taken.
 */
export class LearnedRequests {
  private readonly lessons = new Map<string, readonly Lesson[]>();

  find(place: string): readonly Lesson[] {
    return this.lessons.get(place) ?? NONE;
  }

  keep(place: string, lessons: readonly Lesson[]): void {
    if (lessons === this.find(place)) return;
    this.lessons.delete(place);
    this.lessons.set(place, lessons);
    const [oldest] = this.lessons.keys();
    if (this.lessons.size > MAX_REMEMBERED && oldest !== undefined) this.lessons.delete(oldest);
  }
}

/** The lessons with those of a refusal; throws the error when it teaches nothing new. */
export function learnFrom(error: unknown, lessons: readonly Lesson[]): readonly Lesson[] {
  const fresh = error instanceof RefusalError ? error.lessons.filter((lesson) => !lessons.includes(lesson)) : [];
  if (fresh.length === 0) throw error;
  return [...lessons, ...fresh];
}

interface Calls {
  readonly open: (lessons: readonly Lesson[]) => AsyncIterator<LlmEvent>;
  readonly keep: (lessons: readonly Lesson[]) => void;
}

/** A call that is made once more for each new lesson. One reader; once there is an answer, events come straight from there. */
export class LearningStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;

  /** @param calls until one is taken: they hold the whole conversation */
  constructor(
    private calls: Calls | null,
    private lessons: readonly Lesson[],
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.calls !== null) return this.first(this.calls);
    return this.events?.next() ?? Promise.resolve(END);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.calls = null;
    await this.events?.return?.();
    return END;
  }

  private async first({ open, keep }: Calls): Promise<IteratorResult<LlmEvent>> {
    for (;;) {
      this.events ??= open(this.lessons);
      try {
        const result = await this.events.next();
        this.calls = null;
        keep(this.lessons);
        return result;
      } catch (error) {
        this.lessons = learnFrom(error, this.lessons);
        this.events = null;
      }
    }
  }
}
