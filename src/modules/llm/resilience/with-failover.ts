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

/** Who is asked when all before have failed. */
export interface FallbackTarget {
  readonly provider: LlmProvider;
  /** Null takes the provider's configured model. */
  readonly model: string | null;
}

export interface FailoverNotice {
  readonly from: string;
  readonly to: string;
  readonly code: LlmErrorCode;
}

/** What somebody else may do better. A request that was rejected, or is too large, is rejected elsewhere as well. */
const ELSEWHERE: ReadonlySet<LlmErrorCode> = new Set([
  'provider_unreachable',
  'provider_timeout',
  'provider_disconnected',
  'provider_bad_response',
  'provider_error',
  'provider_overloaded',
  'provider_rate_limited',
  'provider_busy',
  'provider_circuit_open',
  'provider_credit_exhausted',
  'provider_key_refused',
  'model_not_found',
  'provider_address_wrong',
]);

/** OpenRouter refuses a request that names more beside its first one. */
const MAX_ALTERNATIVES = 3;
const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** One request: a provider, the model that it is asked for, and those that it may take by itself when that one fails. */
interface Step {
  readonly provider: LlmProvider;
  readonly model: string | null;
  readonly alternatives: string[];
}

/**
 * Asks one provider after the other, until one begins to answer: from then on the answer is that one's, whatever becomes
 * of it. The options' model is the first one's; the others have their own. Aborts end it at once. Who has somebody behind
 * is asked once only: the next one is the retry.
 */
export class WithFailover implements LlmProvider {
  private readonly steps: readonly Step[];

  constructor(
    private readonly first: LlmProvider,
    fallbacks: readonly FallbackTarget[],
    private readonly onFailover?: (notice: FailoverNotice) => void,
  ) {
    this.steps = stepsOf([{ provider: first, model: null }, ...fallbacks]);
  }

  get name(): LlmProvider['name'] {
    return this.first.name;
  }

  get defaultModel(): string {
    return this.first.defaultModel;
  }

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    for (let step = 0; ; step++) {
      const { provider } = this.stepAt(step);
      try {
        return await provider.generate(messages, this.optionsOf(step, options), signal);
      } catch (error) {
        this.goOnOrThrow(step, error, signal);
      }
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return new FailoverStream({
      open: (step) =>
        this.stepAt(step).provider.stream(messages, this.optionsOf(step, options), signal)[Symbol.asyncIterator](),
      goOnOrThrow: (step, error) => this.goOnOrThrow(step, error, signal),
    });
  }

  validateConnection(signal?: AbortSignal): Promise<ConnectionCheck> {
    return this.first.validateConnection(signal);
  }

  listModels(signal?: AbortSignal): Promise<readonly LlmModel[]> {
    return this.first.listModels(signal);
  }

  /** The providers are not ours to close. */
  async close(): Promise<void> {}

  private stepAt(step: number): Step {
    const found = this.steps[step];
    if (found === undefined) throw new Error(`there is no fallback ${step}`);
    return found;
  }

  private optionsOf(step: number, options: LlmOptions): LlmOptions {
    const { model, alternatives } = this.stepAt(step);
    return {
      ...options,
      model: step === 0 ? options.model : model,
      alternatives,
      hasFallback: step < this.steps.length - 1,
    };
  }

  private goOnOrThrow(step: number, error: unknown, signal: AbortSignal | undefined): void {
    const next = this.steps[step + 1];
    // An outer deadline aborts with an error of ours as well.
    if (signal?.aborted === true || next === undefined) throw error;
    if (!(error instanceof LlmError) || !ELSEWHERE.has(error.code)) throw error;
    this.onFailover?.({ from: this.stepAt(step).provider.name, to: next.provider.name, code: error.code });
  }
}

/** OpenRouter goes through models by itself, which costs no round trip: neighbours at it are one request. */
function stepsOf(targets: readonly FallbackTarget[]): Step[] {
  const steps: Step[] = [];
  for (const { provider, model } of targets) {
    const last = steps.at(-1);
    const isNeighbour = last?.provider === provider && provider.name === 'openrouter';
    if (isNeighbour && last.alternatives.length < MAX_ALTERNATIVES) {
      last.alternatives.push(model ?? provider.defaultModel);
    } else {
      steps.push({ provider, model, alternatives: [] });
    }
  }
  return steps;
}

interface Calls {
  readonly open: (step: number) => AsyncIterator<LlmEvent>;
  /** Throws the error when it is to be the end. */
  readonly goOnOrThrow: (step: number, error: unknown) => void;
}

/** One reader. As soon as somebody answers, events come straight from there. */
class FailoverStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;
  private step = 0;
  /** An attempt was announced whose failure was not. */
  private isAttempting = false;

  /** @param calls until somebody answers: they hold the whole conversation */
  constructor(private calls: Calls | null) {}

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

  private async first(calls: Calls): Promise<IteratorResult<LlmEvent>> {
    for (;;) {
      this.events ??= calls.open(this.step);
      try {
        const result = await this.events.next();
        if (result.done === true || !isNotice(result.value)) this.calls = null;
        else if (result.value.type === 'attempt') this.isAttempting = true;
        else if (result.value.type === 'attempt-failed') this.isAttempting = false;
        return result;
      } catch (error) {
        calls.goOnOrThrow(this.step, error);
        this.step += 1;
        this.events = null;
        if (!this.isAttempting) continue;
        this.isAttempting = false;
        const { code, providerStatus } = error as LlmError;
        return { done: false, value: { type: 'attempt-failed', code, providerStatus } };
      }
    }
  }
}
