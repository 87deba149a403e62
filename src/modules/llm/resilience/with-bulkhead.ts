import type { Bulkhead, Leave } from '../../../platform/load/bulkhead.js';
import { LlmError } from '../public/llm-error.js';
import {
  type ConnectionCheck,
  type Generation,
  isNotice,
  type LlmEvent,
  type LlmMessage,
  type LlmModel,
  type LlmOptions,
  type LlmProvider,
} from '../public/llm-provider.js';

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };
const RETRY_AFTER_MS = 1000;

/**
 * Bounds how many calls there are at a time, so that one slow provider leaves room for the others: `provider_busy`. The place
 * of a stream is given back by its `return`, which its reader owes also after the end; `WithDeadlines`, around it, pays.
 */
export class WithBulkhead implements LlmProvider {
  constructor(
    private readonly inner: LlmProvider,
    private readonly bulkhead: Bulkhead,
    private readonly waitMs: number,
  ) {}

  get name(): LlmProvider['name'] {
    return this.inner.name;
  }

  get defaultModel(): string {
    return this.inner.defaultModel;
  }

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    const leave = await this.enter(signal);
    try {
      return await this.inner.generate(messages, options, signal);
    } finally {
      leave();
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return new BoundStream({
      enter: () => this.enter(signal),
      open: () => this.inner.stream(messages, options, signal)[Symbol.asyncIterator](),
    });
  }

  validateConnection(signal?: AbortSignal): Promise<ConnectionCheck> {
    return this.inner.validateConnection(signal);
  }

  listModels(signal?: AbortSignal): Promise<readonly LlmModel[]> {
    return this.inner.listModels(signal);
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  private async enter(signal: AbortSignal | undefined): Promise<Leave> {
    const leave = await this.bulkhead.enter(this.waitMs, signal);
    if (signal?.aborted === true) {
      leave?.();
      throw signal.reason;
    }
    if (leave === null) throw new LlmError('provider_busy', { retryable: false, retryAfterMs: RETRY_AFTER_MS });
    return leave;
  }
}

interface Bound {
  readonly enter: () => Promise<Leave>;
  readonly open: () => AsyncIterator<LlmEvent>;
}

/**
 * One reader, who has a place from the first `next` to the end. Once there is an answer, events come straight from the
 * provider, so its end is not seen here.
 */
class BoundStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;
  private leave: Leave | null = null;

  /** @param call until it is answered: it holds the whole conversation */
  constructor(private call: Bound | null) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.call !== null) return this.first(this.call);
    return this.events?.next() ?? Promise.resolve(END);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.call = null;
    this.leave?.();
    await this.events?.return?.();
    return END;
  }

  private async first({ enter, open }: Bound): Promise<IteratorResult<LlmEvent>> {
    try {
      this.leave ??= await enter();
      this.events ??= open();
      const result = await this.events.next();
      if (result.done === true) this.leave();
      if (result.done === true || !isNotice(result.value)) this.call = null;
      return result;
    } catch (error) {
      this.call = null;
      this.leave?.();
      throw error;
    }
  }
}
