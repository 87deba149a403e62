import type { AnswererName } from '../../../kernel/provider-name.js';
import type { Circuits, CircuitSubject, Pass } from '../../../platform/circuits/circuits.js';
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

/** What says that the provider is not well. Whoever refuses a key or a request is. */
export const UNWELL: ReadonlySet<LlmErrorCode> = new Set([
  'provider_unreachable',
  'provider_timeout',
  'provider_disconnected',
  'provider_bad_response',
  'provider_error',
  'provider_overloaded',
  'provider_rate_limited',
]);

/** @param keyId whose key it is; empty for this server's */
export function circuitOf(name: AnswererName, model: string, keyId: string): CircuitSubject {
  return { name, details: `${keyId} ${model}` };
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Does not ask a provider that keeps failing: throws `provider_circuit_open` at once, until a single call has found out that
 * it is well again. Each model has a circuit of its own, as on one server some may work while others do not, and users choose
 * which are asked for; so has each key that a project brings.
 */
export class WithCircuit implements LlmProvider {
  constructor(
    private readonly inner: LlmProvider,
    private readonly circuits: Circuits,
    /** Whose key it is; empty for this server's. */
    private readonly keyId: string,
  ) {}

  get name(): LlmProvider['name'] {
    return this.inner.name;
  }

  get defaultModel(): string {
    return this.inner.defaultModel;
  }

  async generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    const verdict = new Verdict(this.enter(options));
    try {
      const generation = await this.inner.generate(messages, options, signal);
      verdict.answered();
      return generation;
    } catch (error) {
      verdict.ended(error, signal);
      throw error;
    }
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return new JudgedStream({
      enter: () => this.enter(options),
      open: () => this.inner.stream(messages, options, signal)[Symbol.asyncIterator](),
      signal,
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

  private enter({ model }: LlmOptions): Pass {
    const pass = this.circuits.enter(circuitOf(this.name, model ?? this.defaultModel, this.keyId));
    if (typeof pass !== 'number') return pass;
    throw new LlmError('provider_circuit_open', { retryable: false, retryAfterMs: pass });
  }
}

/**
 * Tells the circuit how a call went: by its first word, since an answer may take minutes. How it ends then, whoever reads it
 * tells (`LlmProviders.tellEnd`): here each open stream would have to keep for it what is told now and let go of.
 */
class Verdict {
  private isTold = false;

  constructor(private readonly pass: Pass) {}

  answered(): void {
    if (!this.isTold) this.pass.answered();
    this.isTold = true;
  }

  ended(error: unknown, signal: AbortSignal | undefined): void {
    if (this.isTold) return;
    this.isTold = true;
    if (signal?.aborted === true || !(error instanceof LlmError)) this.pass.abandoned();
    else if (UNWELL.has(error.code)) this.pass.failed(error.retryAfterMs ?? 0);
    else this.pass.answered();
  }

  left(): void {
    if (!this.isTold) this.pass.abandoned();
    this.isTold = true;
  }
}

interface Judged {
  readonly enter: () => Pass;
  readonly open: () => AsyncIterator<LlmEvent>;
  readonly signal: AbortSignal;
}

/** One reader. Once there is an answer, events come straight from the provider. */
class JudgedStream implements AsyncIterableIterator<LlmEvent> {
  private events: AsyncIterator<LlmEvent> | null = null;
  private verdict: Verdict | null = null;

  /** @param call until it is answered: it holds the whole conversation */
  constructor(private call: Judged | null) {}

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<LlmEvent>> {
    if (this.call !== null) return this.first(this.call);
    return this.events?.next() ?? Promise.resolve(END);
  }

  async return(): Promise<IteratorResult<LlmEvent>> {
    this.call = null;
    this.verdict?.left();
    await this.events?.return?.();
    return END;
  }

  private async first({ enter, open, signal }: Judged): Promise<IteratorResult<LlmEvent>> {
    this.verdict ??= new Verdict(enter());
    this.events ??= open();
    try {
      const result = await this.events.next();
      if (result.done !== true && isNotice(result.value)) return result;
      this.call = null;
      this.verdict.answered();
      // Told; it may be let go of for as long as the answer takes.
      this.verdict = null;
      return result;
    } catch (error) {
      this.verdict?.ended(error, signal);
      throw error;
    }
  }
}
