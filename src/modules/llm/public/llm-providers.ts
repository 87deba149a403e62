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

/** A call as its `attempt` announced it. */
export interface AskedCall {
  readonly provider: AnswererName;
  readonly model: string;
  /** Of `withKey`; null for this server's own key. */
  readonly keyId: string | null;
}

/** Keys of projects whose calls are counted at a time; the count of the oldest is forgotten beyond. */
const MAX_COUNTED_KEYS = 10_000;

/** Which providers this server can call: those that config gives a key for, each made resilient (`patient`). */
@Injectable()
export class LlmProviders {
  /** The name that LLM_PROVIDER gives; offline when it gives none. */
  readonly defaultName: ProviderName;
  /** The provider of that name. */
  readonly default: LlmProvider;
  private readonly openRouter: OpenRouterProvider | null = null;
  private readonly logger = new Logger('Llm');
  private readonly learned = new LearnedRequests();
  private readonly byName = new Map<ProviderName, LlmProvider>();
  /** Of keys that projects bring. */
  private readonly bulkheads = new Map<string, Bulkhead>();

  /** Connections of calls with users' own keys: to this server's addresses, and to those that users give. */
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

  /** The provider of that name, the default for null; null when this server is not configured for it. */
  find(name: ProviderName | null): LlmProvider | null {
    return name === null ? this.default : (this.byName.get(name) ?? null);
  }

  /**
   * A provider for a user's own key, made for a call: it holds no connection and no memory.
   * @param keyId whose calls are counted, and failing ones held back, apart from all others
   * @param baseUrl the user's own address, checked now and at each connection; null: where this server finds the provider
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

  /** The first provider, with others behind it that are asked in order when it can not answer. All together have one deadline. */
  withFallbacks(first: LlmProvider, fallbacks: readonly FallbackTarget[]): LlmProvider {
    const behind = fallbacks.map(({ provider, model }) => ({ provider: unbounded(provider), model }));
    return this.bounded(new WithFailover(unbounded(first), behind, (notice) => this.onFailover(notice)));
  }

  /**
   * Tells how a streamed answer ended of which there was some text: a model whose answers keep breaking off is not asked for
   * a while. Not for what was stopped.
   * @param code null when it came to its end
   */
  tellEnd({ provider, model, keyId }: AskedCall, code: LlmErrorCode | null): void {
    const circuit = circuitOf(provider, model, keyId ?? '');
    if (code === null) this.circuits.completed(circuit);
    else if (UNWELL.has(code)) this.circuits.brokeOff(circuit);
  }

  /**
   * What OpenRouter's records say of a generation by this server's key; null when they do not know it, or this server has no
   * key. Throws `LlmError`.
   */
  async findGeneration(id: string): Promise<LlmUsage | null> {
    return this.openRouter === null ? null : this.openRouter.findGeneration(id);
  }

  /** Names that `find` knows, the default first. */
  configuredNames(): readonly ProviderName[] {
    const others = [...this.byName.keys()].filter((name) => name !== this.defaultName);
    return [this.defaultName, ...others];
  }

  /** Gives back the sockets of all providers; calls that still run fail. */
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

  /** With deadlines, retries, a circuit breaker and a bound; `keyId` is null for this server's own key. */
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
   * The outermost layer, the only one that looks at each token. What falls silent in the middle of an answer is not asked again, so
   * silence can be noticed here as well as beneath the retries.
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

/** Without its own bounds, where others hold for it that begin no later and are as long. */
function unbounded(provider: LlmProvider): LlmProvider {
  return provider instanceof WithDeadlines ? provider.inner : provider;
}
