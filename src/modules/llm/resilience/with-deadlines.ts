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

/** Milliseconds; null sets no such deadline. */
export interface Deadlines {
  /** From the call to the first event of a stream. */
  readonly firstTokenMs: number | null;
  /** From one event of a stream to the next, while the reader waits for it. */
  readonly idleMs: number | null;
  /** For a whole call, whatever happens. */
  readonly totalMs: number | null;
}

/**
 * Ends calls that take too long with `provider_timeout`, retryable as long as nothing had come. The inner call is
 * aborted, which closes its socket. A whole answer (`generate`) has the total deadline only: it comes in one piece.
 * Connecting has its own deadline in the connection pool; checks and lists have theirs in the provider.
 */
export class WithDeadlines implements LlmProvider {
  constructor(
    private readonly inner: LlmProvider,
    private readonly deadlines: Deadlines,
  ) {}

  get name(): LlmProvider['name'] {
    return this.inner.name;
  }

  get defaultModel(): string {
    return this.inner.defaultModel;
  }

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    if (this.deadlines.totalMs === null) return this.inner.generate(messages, options, signal);
    const call = new BoundedCall(signal);
    call.limit(this.deadlines.totalMs, true);
    try {
      return await this.inner.generate(messages, options, call.signal);
    } finally {
      call.end();
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return new BoundedStream((bounded) => this.inner.stream(messages, options, bounded), this.deadlines, signal);
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
}

/** A signal that follows the caller's and can also run out of time. */
class BoundedCall {
  private readonly controller = new AbortController();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly follow = (): void => this.controller.abort(this.outer?.reason);

  constructor(private readonly outer: AbortSignal | undefined) {
    if (outer?.aborted === true) this.follow();
    else outer?.addEventListener('abort', this.follow, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  limit(limitMs: number, isBeforeFirst: boolean): void {
    this.timers.push(setTimeout(() => this.runOut(isBeforeFirst), limitMs));
  }

  runOut(isBeforeFirst: boolean): void {
    this.controller.abort(new LlmError('provider_timeout', { retryable: isBeforeFirst }));
  }

  end(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.outer?.removeEventListener('abort', this.follow);
  }
}

/** One reader; the inner call is made by its first `next`. */
class BoundedStream implements AsyncIterableIterator<LlmEvent> {
  private call: BoundedCall | null = null;
  private events: AsyncIterator<LlmEvent> | null = null;
  private totalTimer: NodeJS.Timeout | null = null;
  private gapTimer: NodeJS.Timeout | null = null;
  private isWaiting = false;
  private isBeforeFirst = true;

  constructor(
    /** Until it is called: it holds the whole conversation. */
    private open: ((signal: AbortSignal) => AsyncIterable<LlmEvent>) | null,
    private readonly deadlines: Deadlines,
    private readonly signal: AbortSignal,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<LlmEvent>> {
    if (this.open !== null) this.begin(this.open);
    if (this.events === null) return { done: true, value: undefined };
    this.isWaiting = true;
    // Re-armed rather than made anew: it would be one timer for every token.
    this.gapTimer?.refresh();
    try {
      const result = await this.events.next();
      if (result.done === true) this.end();
      else if (this.isBeforeFirst && !isNotice(result.value)) this.onFirst();
      return result;
    } catch (error) {
      this.end();
      throw error;
    } finally {
      this.isWaiting = false;
    }
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.open = null;
    this.end();
    await this.events?.return?.();
    return { done: true, value: undefined };
  }

  private begin(open: (signal: AbortSignal) => AsyncIterable<LlmEvent>): void {
    this.open = null;
    const { firstTokenMs, totalMs } = this.deadlines;
    const call = new BoundedCall(this.signal);
    this.call = call;
    if (totalMs !== null) this.totalTimer = setTimeout(() => call.runOut(this.isBeforeFirst), totalMs);
    if (firstTokenMs !== null) this.gapTimer = setTimeout(() => call.runOut(true), firstTokenMs);
    this.events = open(call.signal)[Symbol.asyncIterator]();
  }

  private onFirst(): void {
    this.isBeforeFirst = false;
    if (this.gapTimer !== null) clearTimeout(this.gapTimer);
    const { idleMs } = this.deadlines;
    this.gapTimer = idleMs === null ? null : setTimeout(() => this.onGap(), idleMs);
  }

  /** A reader that takes its time is no fault of the provider's. */
  private onGap(): void {
    if (this.isWaiting) this.call?.runOut(false);
  }

  private end(): void {
    if (this.totalTimer !== null) clearTimeout(this.totalTimer);
    if (this.gapTimer !== null) clearTimeout(this.gapTimer);
    this.gapTimer = null;
    this.call?.end();
  }
}
