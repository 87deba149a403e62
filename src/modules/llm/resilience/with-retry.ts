import type { ProviderName } from '../../../kernel/provider-name.js';
import { LlmError, type LlmErrorCode } from '../public/llm-error.js';
import type {
  ConnectionCheck,
  Generation,
  LlmEvent,
  LlmMessage,
  LlmModel,
  LlmOptions,
  LlmProvider,
} from '../public/llm-provider.js';

export interface RetryNotice {
  readonly provider: ProviderName;
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number;
  readonly code: LlmErrorCode;
}

export interface RetryPolicy {
  /** Further attempts after the first. */
  readonly retries: number;
  readonly onRetry?: (notice: RetryNotice) => void;
  /** Resolves after `waitMs`, or throws the signal's reason as soon as it is aborted. */
  readonly sleep?: (waitMs: number, signal: AbortSignal | undefined) => Promise<void>;
  /** From 0 to below 1. */
  readonly random?: () => number;
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };
const BASE_MS = 250;
const CAP_MS = 5000;
/** A provider that wants a longer pause than this is not waited for: the client hears it and may come back. */
const MAX_RETRY_AFTER_MS = 20_000;

/**
 * Calls again after failures that may pass (`LlmError.retryable`), with full jitter, and never once an event was
 * yielded: the reader has it already. Aborts are never retried and end a pause at once.
 */
export class WithRetry implements LlmProvider {
  constructor(
    private readonly inner: LlmProvider,
    private readonly policy: RetryPolicy,
  ) {}

  get name(): ProviderName {
    return this.inner.name;
  }

  get defaultModel(): string {
    return this.inner.defaultModel;
  }

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.inner.generate(messages, options, signal);
      } catch (error) {
        await this.pauseOrThrow(error, attempt, signal);
      }
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    const open = (): AsyncIterator<LlmEvent> => this.inner.stream(messages, options, signal)[Symbol.asyncIterator]();
    const pause = (error: unknown, attempt: number): Promise<void> => this.pauseOrThrow(error, attempt, signal);
    return new RetriedStream({ open, pause });
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

  private async pauseOrThrow(error: unknown, attempt: number, signal: AbortSignal | undefined): Promise<void> {
    // Checked first: an outer deadline aborts with an error that says of itself that it is retryable.
    if (signal?.aborted === true) throw error;
    if (!(error instanceof LlmError) || !error.retryable || attempt > this.policy.retries) throw error;
    const asked = error.retryAfterMs ?? 0;
    if (asked > MAX_RETRY_AFTER_MS) throw error;
    const { random = Math.random, sleep = sleepFor, onRetry } = this.policy;
    const jitterMs = random() * Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1));
    onRetry?.({ provider: this.name, attempt, code: error.code });
    await sleep(Math.max(asked, jitterMs), signal);
  }
}

interface Attempts {
  readonly open: () => AsyncIterator<LlmEvent>;
  /** Throws when there is to be no other one. */
  readonly pause: (error: unknown, attempt: number) => Promise<void>;
}

/** One reader; the first attempt is made by its first `next`. */
class RetriedStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;

  /** @param attempts until one has succeeded: they hold the whole conversation */
  constructor(private attempts: Attempts | null) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.attempts !== null) return this.first(this.attempts);
    return this.events?.next() ?? Promise.resolve(END);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.attempts = null;
    await this.events?.return?.();
    return END;
  }

  private async first({ open, pause }: Attempts): Promise<IteratorResult<LlmEvent>> {
    for (let attempt = 1; ; attempt++) {
      this.events = open();
      try {
        const result = await this.events.next();
        this.attempts = null;
        return result;
      } catch (error) {
        await pause(error, attempt);
      }
    }
  }
}

function sleepFor(waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    }, waitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
