import type { Bulkhead, Leave } from '../../../platform/load/bulkhead.js';
import { LlmError } from '../public/llm-error.js';
import type {
  ConnectionCheck,
  Generation,
  LlmEvent,
  LlmMessage,
  LlmModel,
  LlmOptions,
  LlmProvider,
} from '../public/llm-provider.js';

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };
const RETRY_AFTER_MS = 1000;

/** Bounds how many calls there are at a time, so that one slow provider leaves room for the others: `provider_busy`. */
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
    return new BoundStream(
      () => this.enter(signal),
      () => this.inner.stream(messages, options, signal)[Symbol.asyncIterator](),
    );
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

/** One reader, who has a place from the first `next` to the end. */
class BoundStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;
  private leave: Leave | null = null;

  constructor(
    private enter: (() => Promise<Leave>) | null,
    /** Both until they are called: it holds the whole conversation. */
    private open: (() => AsyncIterator<LlmEvent>) | null,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.open !== null && this.enter !== null) return this.first(this.enter, this.open);
    // No async function: it would cost each token another turn through the queue.
    return this.events?.next().then(this.onResult, this.onError) ?? Promise.resolve(END);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.open = null;
    this.leave?.();
    await this.events?.return?.();
    return END;
  }

  private readonly onResult = (result: IteratorResult<LlmEvent>): IteratorResult<LlmEvent> => {
    if (result.done === true) this.leave?.();
    return result;
  };

  private readonly onError = (error: unknown): never => {
    this.leave?.();
    throw error;
  };

  private async first(
    enter: () => Promise<Leave>,
    open: () => AsyncIterator<LlmEvent>,
  ): Promise<IteratorResult<LlmEvent>> {
    this.enter = this.open = null;
    this.leave = await enter();
    this.events = open();
    return this.next();
  }
}
