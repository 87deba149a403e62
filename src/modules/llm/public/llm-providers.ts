import { Injectable, Logger } from '@nestjs/common';
import { Agent } from 'undici';
import type { AnswererName, ProviderName } from '../../../kernel/provider-name.js';
import { ServerConfig } from '../../../platform/config/server.config.js';
import { Circuits } from '../../../platform/circuits/circuits.js';
import { Bulkhead } from '../../../platform/load/bulkhead.js';
import { OutboundGuard } from '../../../platform/outbound/outbound-guard.js';
import { LearnedRequests } from '../providers/learned-requests.js';
import { OfflineProvider } from '../providers/offline.provider.js';
import { type HttpProviderSettings, OpenAiProvider } from '../providers/openai.provider.js';
import { SOCKET_OPTIONS } from '../providers/openai-wire.js';
import { OpenRouterProvider } from '../providers/openrouter.provider.js';
import { WithBulkhead } from '../resilience/with-bulkhead.js';
import { circuitOf, UNWELL, WithCircuit } from '../resilience/with-circuit.js';
import { WithDeadlines } from '../resilience/with-deadlines.js';
import { type FailoverNotice, type FallbackTarget, WithFailover } from '../resilience/with-failover.js';
import { type RetryNotice, WithRetry } from '../resilience/with-retry.js';
import { LlmError, type LlmErrorCode } from './llm-error.js';
import type { LlmProvider, LlmUsage } from './llm-provider.js';
import { OutboundConfig } from '../../../platform/outbound/outbound.config.js';
import { LlmConfig } from './llm.config.js';

/** A call as in its `attempt` event. */
export interface AskedCall {
  readonly provider: AnswererName;
  readonly model: string;
  /** The `keyId` of `withKey`; null for this server's own key. */
  readonly keyId: string | null;
}

/** The most project keys whose calls are counted at a time. Beyond that, the count of the oldest key is dropped. */
const MAX_COUNTED_KEYS = 10_000;

/**
 * The providers that this server can call: those with a configured key, each wrapped with retries and limits
 * (`patient`).
 */
@Injectable()
export class LlmProviders {
  /** The value of LLM_PROVIDER; `offline` without one. */
  readonly defaultName: ProviderName;
  /** The provider with that name. */
  readonly default: LlmProvider;
  private readonly openRouter: OpenRouterProvider | null = null;
  private readonly logger = new Logger('Llm');
  private readonly learned = new LearnedRequests();
  private readonly byName = new Map<ProviderName, LlmProvider>();
  /** Limits of open calls, by the id of the project's key. */
  private readonly bulkheads = new Map<string, Bulkhead>();

  /** Connections of calls with users' own keys, to the configured addresses and to addresses that users give. */
  private readonly sockets: Agent;
  private readonly guardedSockets: Agent;

  constructor(
    private readonly config: LlmConfig,
    private readonly outbound: OutboundConfig,
    { nodeEnv }: ServerConfig,
    private readonly guard: OutboundGuard,
    private readonly circuits: Circuits,
  ) {
    this.sockets = new Agent({ connect: { timeout: outbound.llmConnectTimeoutMs }, ...SOCKET_OPTIONS });
    this.guardedSockets = new Agent({ connect: guard.connect, ...SOCKET_OPTIONS });
    const { openaiApiKey, openrouterApiKey, offlineDelayMs } = config;
    if (openaiApiKey !== undefined) {
      const settings = this.settings(config.openaiBaseUrl, openaiApiKey, config.openaiModel);
      this.byName.set('openai', this.patient(new OpenAiProvider(settings)));
    }
    if (openrouterApiKey !== undefined) {
      const settings = this.settings(config.openrouterBaseUrl, openrouterApiKey, config.openrouterModel);
      this.openRouter = new OpenRouterProvider(settings);
      this.byName.set('openrouter', this.patient(this.openRouter));
    }
    const chosen = (config.llmProvider ?? 'offline') as ProviderName;
    if (chosen === 'offline' || nodeEnv !== 'production') {
      this.byName.set('offline', this.patient(new OfflineProvider(offlineDelayMs)));
    }
    const provider = this.byName.get(chosen);
    if (provider === undefined) throw new Error(`LLM_PROVIDER is ${chosen}, but its key is not set`);
    this.defaultName = chosen;
    this.default = provider;
  }

  /** The provider with that name, or the default for null; null when this server has no key for it. */
  find(name: ProviderName | null): LlmProvider | null {
    return name === null ? this.default : (this.byName.get(name) ?? null);
  }

  /**
   * A provider for a user's own key. It is made for each call and holds no connection and no state.
   * @param keyId the calls of each key have their own limit and circuit breaker
   * @param baseUrl the user's own address, checked now and at each connection; null: the address that this server uses
   * Throws `provider_address_refused`.
   */
  withKey(keyId: string, name: 'openai' | 'openrouter', apiKey: string, baseUrl: string | null): LlmProvider {
    const { openaiBaseUrl, openaiModel, openrouterBaseUrl, openrouterModel } = this.config;
    if (baseUrl !== null && this.guard.objectionToSpelling(baseUrl) !== null) {
      throw new LlmError('provider_address_refused', { retryable: false });
    }
    const dispatcher = baseUrl === null ? this.sockets : this.guardedSockets;
    const openAi = { ...this.settings(baseUrl ?? openaiBaseUrl, apiKey, openaiModel), dispatcher };
    const provider =
      name === 'openrouter'
        ? new OpenRouterProvider({ ...this.settings(openrouterBaseUrl, apiKey, openrouterModel), dispatcher })
        : new OpenAiProvider(openAi, baseUrl === null ? 'openai' : 'custom');
    return this.patient(provider, keyId);
  }

  /**
   * The first provider, with fallbacks that are called in order when it cannot answer. All calls share one deadline.
   */
  withFallbacks(first: LlmProvider, fallbacks: readonly FallbackTarget[]): LlmProvider {
    const behind = fallbacks.map(({ provider, model }) => ({ provider: unbounded(provider), model }));
    return this.bounded(new WithFailover(unbounded(first), behind, (notice) => this.onFailover(notice)));
  }

  /**
   * Reports how a streamed answer with some text ended to the circuit breaker, which opens for a model whose answers
   * keep breaking off. Do not call it for stopped answers.
   * @param code null when the answer is complete
   */
  tellEnd({ provider, model, keyId }: AskedCall, code: LlmErrorCode | null): void {
    const circuit = circuitOf(provider, model, keyId ?? '');
    if (code === null) this.circuits.completed(circuit);
    else if (UNWELL.has(code)) this.circuits.brokeOff(circuit);
  }

  /**
   * The usage of a generation with this server's key, from OpenRouter's records; null when they do not have it, or this
   * server has no key. Throws `LlmError`.
   */
  async findGeneration(id: string): Promise<LlmUsage | null> {
    return this.openRouter === null ? null : this.openRouter.findGeneration(id);
  }

  /** The names that `find` knows, the default first. */
  configuredNames(): readonly ProviderName[] {
    const others = [...this.byName.keys()].filter((name) => name !== this.defaultName);
    return [this.defaultName, ...others];
  }

  /** Closes the sockets of all providers. Calls that still run fail. */
  async close(): Promise<void> {
    await Promise.all([
      ...[...this.byName.values()].map((provider) => provider.close()),
      this.sockets.destroy(),
      this.guardedSockets.destroy(),
    ]);
  }

  private settings(baseUrl: string, apiKey: string, model: string): HttpProviderSettings {
    const { llmFirstTokenTimeoutMs, llmMaxAnswerChars } = this.config;
    const { llmConnectTimeoutMs } = this.outbound;
    return {
      baseUrl,
      apiKey,
      model,
      connectTimeoutMs: llmConnectTimeoutMs,
      probeTimeoutMs: llmConnectTimeoutMs + llmFirstTokenTimeoutMs,
      maxAnswerChars: llmMaxAnswerChars,
      learned: this.learned,
    };
  }

  /**
   * Adds deadlines, retries, a circuit breaker and a limit of open calls; `keyId` is null for this server's own key.
   */
  private patient(provider: LlmProvider, keyId: string | null = null): LlmProvider {
    const { llmFirstTokenTimeoutMs, llmRetries, turnWaitMs } = this.config;
    const attempt = new WithDeadlines(provider, {
      firstTokenMs: llmFirstTokenTimeoutMs,
      idleMs: null,
      totalMs: null,
    });
    const onRetry = (notice: RetryNotice): void => this.onRetry(notice);
    const retried = new WithRetry(attempt, { isOwnKey: keyId !== null, retries: llmRetries, onRetry });
    const judged = new WithCircuit(retried, this.circuits, keyId ?? '');
    return this.bounded(new WithBulkhead(judged, this.bulkhead(keyId), turnWaitMs));
  }

  /**
   * The outermost layer, and the only one that handles each token. A call that stalls in the middle of an answer is not
   * retried, so the idle timeout can be here, above the retries.
   */
  private bounded(provider: LlmProvider): LlmProvider {
    const { llmIdleTimeoutMs, llmTotalTimeoutMs } = this.config;
    return new WithDeadlines(provider, { firstTokenMs: null, idleMs: llmIdleTimeoutMs, totalMs: llmTotalTimeoutMs });
  }

  private bulkhead(keyId: string | null): Bulkhead {
    if (keyId === null) return new Bulkhead(this.config.llmCallsPerProvider);
    let bulkhead = this.bulkheads.get(keyId);
    if (bulkhead !== undefined) return bulkhead;
    bulkhead = new Bulkhead(this.config.llmCallsPerOwnKey);
    this.bulkheads.set(keyId, bulkhead);
    const [oldest] = this.bulkheads.keys();
    if (this.bulkheads.size > MAX_COUNTED_KEYS && oldest !== undefined) this.bulkheads.delete(oldest);
    return bulkhead;
  }

  private onFailover({ from, to, code }: FailoverNotice): void {
    this.logger.warn(`${from} failed with ${code}, asking ${to} instead`);
  }

  private onRetry({ provider, attempt, code }: RetryNotice): void {
    this.logger.warn(`${provider}: attempt ${attempt} failed with ${code}, trying again`);
  }
}

/** Removes the provider's own timeouts, because outer timeouts of the same length start no later. */
function unbounded(provider: LlmProvider): LlmProvider {
  return provider instanceof WithDeadlines ? provider.inner : provider;
}
