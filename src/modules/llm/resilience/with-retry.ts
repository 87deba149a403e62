import type { AnswererName } from '../../../kernel/provider-name.js';
import { LlmError, type LlmErrorCode } from '../public/llm-error.js';
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

export interface RetryNotice {
  readonly provider: AnswererName;
  /** Number of the attempt that failed, from 1. */
  readonly attempt: number;
  readonly code: LlmErrorCode;
}

export interface RetryPolicy {
  /** Whether the calls are made by a project's own key; attempts say so. */
  readonly isOwnKey: boolean;
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
 * Calls again after failures that may pass (`LlmError.retryable`), with full jitter, and never once a call has said
 * something: the reader has it already. Aborts are never retried and end a pause at once. A stream tells of each attempt.
 */
export class WithRetry implements LlmProvider {
  constructor(
    private readonly inner: LlmProvider,
    private readonly policy: RetryPolicy,
  ) {}

  get name(): AnswererName {
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
        await (this.policy.sleep ?? sleepFor)(this.pauseAfter(error, attempt, options, signal), signal);
      }
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return new RetriedStream({
      begun: {
        type: 'attempt',
        provider: this.name,
        model: options.model ?? this.defaultModel,
        isOwnKey: this.policy.isOwnKey,
      },
      open: () => this.inner.stream(messages, options, signal)[Symbol.asyncIterator](),
      pauseAfter: (error, attempt) => this.pauseAfter(error, attempt, options, signal),
      sleep: (waitMs) => (this.policy.sleep ?? sleepFor)(waitMs, signal),
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

  /** Milliseconds to wait before the next attempt; throws the error when there is to be no other one. */
  private pauseAfter(
    error: unknown,
    attempt: number,
    { hasFallback }: LlmOptions,
    signal: AbortSignal | undefined,
  ): number {
    // Checked first: an outer deadline aborts with an error that says of itself that it is retryable.
    if (signal?.aborted === true) throw error;
    const retries = hasFallback === true ? 0 : this.policy.retries;
    if (!(error instanceof LlmError) || !error.retryable || attempt > retries) throw error;
    const asked = error.retryAfterMs ?? 0;
    if (asked > MAX_RETRY_AFTER_MS) throw error;
    const { random = Math.random, onRetry } = this.policy;
    const jitterMs = random() * Math.min(CAP_MS, BASE_MS * 2 ** (attempt - 1));
    onRetry?.({ provider: this.name, attempt, code: error.code });
    return Math.max(asked, jitterMs);
  }
}

interface Attempts {
  readonly begun: LlmEvent;
  readonly open: () => AsyncIterator<LlmEvent>;
  /** Milliseconds; throws when there is to be no other one. */
  readonly pauseAfter: (error: unknown, attempt: number) => number;
  readonly sleep: (waitMs: number) => Promise<void>;
}

/** One reader. Each attempt is announced by one `next` and made by the following one. */
class RetriedStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;
  private attempt = 0;
  private isAnnounced = false;
  private pauseMs = 0;

  /** @param attempts until one has succeeded: they hold the whole conversation */
  constructor(private attempts: Attempts | null) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    const { attempts } = this;
    if (attempts === null) return this.events?.next() ?? Promise.resolve(END);
    return this.isAnnounced ? this.begin(attempts) : this.announce(attempts);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.attempts = null;
    await this.events?.return?.();
    return END;
  }

  private async announce({ begun, sleep }: Attempts): Promise<IteratorResult<LlmEvent>> {
    if (this.pauseMs > 0) await sleep(this.pauseMs);
    this.isAnnounced = true;
    return { done: false, value: begun };
  }

  private async begin({ open, pauseAfter }: Attempts): Promise<IteratorResult<LlmEvent>> {
    if (this.events === null) this.attempt += 1;
    this.events ??= open();
    try {
      const result = await this.events.next();
      if (result.done === true || !isNotice(result.value)) this.attempts = null;
      return result;
    } catch (error) {
      this.events = null;
      this.pauseMs = pauseAfter(error, this.attempt);
      this.isAnnounced = false;
      const { code, providerStatus } = error as LlmError;
      return { done: false, value: { type: 'attempt-failed', code, providerStatus } };
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
