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

type Open = (signal: AbortSignal, onSignOfLife: () => void) => AsyncIterable<LlmEvent>;

/** Milliseconds; null sets no such deadline. Silence ends with anything that the provider sends, be it a comment. */
export interface Deadlines {
  /** Of silence between the call and the first piece of its answer. */
  readonly firstTokenMs: number | null;
  /** Of silence between two events of a stream, while the reader waits. */
  readonly idleMs: number | null;
  /** For a whole call, whatever happens. */
  readonly totalMs: number | null;
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Ends calls that take too long with `provider_timeout`, retryable as long as nothing had come. The inner call is
 * aborted, which closes its socket. A whole answer (`generate`) has the total deadline only: it comes in one piece.
 * Connecting has its own deadline in the connection pool; checks and lists have theirs in the provider.
 * With a first token's deadline alone it is out of the way from that token on: then it only hands on an abort, and listens
 * to the signal for as long as that lives.
 */
export class WithDeadlines implements LlmProvider {
  constructor(
    /** Whose calls they are; it has no deadline of this. */
    readonly inner: LlmProvider,
    private readonly deadlines: Deadlines,
  ) {}

  get name(): LlmProvider['name'] {
    return this.inner.name;
  }

  get defaultModel(): string {
    return this.inner.defaultModel;
  }

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    const { totalMs } = this.deadlines;
    if (totalMs === null) return this.inner.generate(messages, options, signal);
    const call = new AbortController();
    const follow = (): void => call.abort(signal?.reason);
    if (signal?.aborted === true) follow();
    else signal?.addEventListener('abort', follow, { once: true });
    const timer = setTimeout(() => call.abort(timeout(true)), totalMs);
    try {
      return await this.inner.generate(messages, options, call.signal);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', follow);
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    const open: Open = (bounded, onSignOfLife) => this.inner.stream(messages, { ...options, onSignOfLife }, bounded);
    return new BoundedStream(open, this.deadlines, signal, options.onSignOfLife);
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

/**
 * One reader; the inner call is made by its first `next`. It closes the inner stream also when that has come to its end, so
 * that layers in between need not watch for it: they would cost another promise for each token.
 */
class BoundedStream implements AsyncIterableIterator<LlmEvent> {
  private readonly call = new AbortController();
  private events: AsyncIterator<LlmEvent> | null = null;
  private totalTimer: NodeJS.Timeout | null = null;
  private gapTimer: NodeJS.Timeout | null = null;
  private isWaiting = false;
  private isBeforeFirst = true;

  constructor(
    /** Until it is called: it holds the whole conversation. */
    private open: Open | null,
    private readonly deadlines: Deadlines,
    private readonly signal: AbortSignal,
    private readonly onOuterSign: (() => void) | undefined,
  ) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.open !== null) return this.first(this.open);
    if (this.events === null) return Promise.resolve(END);
    if (!this.isBeforeFirst && this.totalTimer === null && this.gapTimer === null) return this.events.next();
    this.isWaiting = true;
    // Re-armed rather than made anew: it would be one timer for every token.
    this.gapTimer?.refresh();
    // No async function: it would cost each token another turn through the queue, and its frame while it waits.
    return this.events.next().then(this.onResult, this.onError);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.open = null;
    this.stopWatching();
    await this.events?.return?.();
    return END;
  }

  private readonly onResult = (result: IteratorResult<LlmEvent>): IteratorResult<LlmEvent> => {
    this.isWaiting = false;
    if (result.done === true) this.end();
    else if (this.isBeforeFirst && !isNotice(result.value)) this.onFirst();
    return result;
  };

  private readonly onError = (error: unknown): never => {
    this.end();
    throw error;
  };

  private async first(open: Open): Promise<IteratorResult<LlmEvent>> {
    this.open = null;
    this.isWaiting = true;
    try {
      this.events = this.begin(open);
      return this.onResult(await this.events.next());
    } catch (error) {
      return this.onError(error);
    }
  }

  private begin(open: Open): AsyncIterator<LlmEvent> {
    const { firstTokenMs, totalMs } = this.deadlines;
    if (this.signal.aborted) this.follow();
    else this.signal.addEventListener('abort', this.follow, { once: true });
    if (totalMs !== null) this.totalTimer = setTimeout(() => this.runOut(this.isBeforeFirst), totalMs);
    if (firstTokenMs !== null) this.gapTimer = setTimeout(() => this.runOut(true), firstTokenMs);
    return open(this.call.signal, this.onSignOfLife)[Symbol.asyncIterator]();
  }

  private readonly onSignOfLife = (): void => {
    this.gapTimer?.refresh();
    this.onOuterSign?.();
  };

  private readonly follow = (): void => this.call.abort(this.signal.reason);

  private runOut(isBeforeFirst: boolean): void {
    this.call.abort(timeout(isBeforeFirst));
  }

  private onFirst(): void {
    this.isBeforeFirst = false;
    if (this.gapTimer !== null) clearTimeout(this.gapTimer);
    const { idleMs } = this.deadlines;
    this.gapTimer = idleMs === null ? null : setTimeout(() => this.onGap(), idleMs);
  }

  /** A reader that takes its time is no fault of the provider's. */
  private onGap(): void {
    if (this.isWaiting) this.runOut(false);
  }

  private end(): void {
    this.stopWatching();
    // How it ended is told already.
    this.events?.return?.().catch(() => undefined);
  }

  private stopWatching(): void {
    this.isWaiting = false;
    if (this.totalTimer !== null) clearTimeout(this.totalTimer);
    if (this.gapTimer !== null) clearTimeout(this.gapTimer);
    this.totalTimer = this.gapTimer = null;
    this.signal.removeEventListener('abort', this.follow);
  }
}

function timeout(isBeforeFirst: boolean): LlmError {
  return new LlmError('provider_timeout', { retryable: isBeforeFirst });
}
