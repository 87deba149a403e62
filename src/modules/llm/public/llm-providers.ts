import { Injectable, Logger } from '@nestjs/common';
import { Agent } from 'undici';
import type { ProviderName } from '../../../kernel/provider-name.js';
import { AppConfig } from '../../../platform/config/app-config.js';
import { OutboundGuard } from '../../../platform/outbound/outbound-guard.js';
import { OfflineProvider } from '../providers/offline.provider.js';
import { type HttpProviderSettings, OpenAiProvider } from '../providers/openai.provider.js';
import { SOCKET_OPTIONS } from '../providers/openai-wire.js';
import { OpenRouterProvider } from '../providers/openrouter.provider.js';
import { WithDeadlines } from '../resilience/with-deadlines.js';
import { type RetryNotice, WithRetry } from '../resilience/with-retry.js';
import { LlmError } from './llm-error.js';
import type { LlmProvider } from './llm-provider.js';

/** Which providers this server can call: those that config gives a key for, each with deadlines and retries. */
@Injectable()
export class LlmProviders {
  /** The name that LLM_PROVIDER gives; offline when it gives none. */
  readonly defaultName: ProviderName;
  /** The provider of that name. */
  readonly default: LlmProvider;
  private readonly logger = new Logger('Llm');
  private readonly byName = new Map<ProviderName, LlmProvider>();

  /** Connections of calls with users' own keys: to this server's addresses, and to those that users give. */
  private readonly sockets: Agent;
  private readonly guardedSockets: Agent;

  constructor(
    private readonly config: AppConfig,
    private readonly guard: OutboundGuard,
  ) {
    this.sockets = new Agent({ connect: { timeout: config.llmConnectTimeoutMs }, ...SOCKET_OPTIONS });
    this.guardedSockets = new Agent({ connect: guard.connect, ...SOCKET_OPTIONS });
    const { openaiApiKey, openrouterApiKey, nodeEnv, offlineDelayMs } = config;
    if (openaiApiKey !== undefined) {
      const settings = this.settings(config.openaiBaseUrl, openaiApiKey, config.openaiModel);
      this.byName.set('openai', this.patient(new OpenAiProvider(settings), false));
    }
    if (openrouterApiKey !== undefined) {
      const settings = this.settings(config.openrouterBaseUrl, openrouterApiKey, config.openrouterModel);
      this.byName.set('openrouter', this.patient(new OpenRouterProvider(settings), false));
    }
    const chosen = (config.llmProvider ?? 'offline') as ProviderName;
    if (chosen === 'offline' || nodeEnv !== 'production') {
      this.byName.set('offline', this.patient(new OfflineProvider(offlineDelayMs), false));
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
   * @param baseUrl the user's own address, checked now and at each connection; null: where this server finds the provider
   * Throws `provider_address_refused`.
   */
  withKey(name: 'openai' | 'openrouter', apiKey: string, baseUrl: string | null): LlmProvider {
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
    return this.patient(provider, true);
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
    const { llmConnectTimeoutMs, llmFirstTokenTimeoutMs, llmMaxAnswerChars } = this.config;
    return {
      baseUrl,
      apiKey,
      model,
      connectTimeoutMs: llmConnectTimeoutMs,
      probeTimeoutMs: llmConnectTimeoutMs + llmFirstTokenTimeoutMs,
      maxAnswerChars: llmMaxAnswerChars,
    };
  }

  /** With deadlines and retries. */
  private patient(provider: LlmProvider, isOwnKey: boolean): LlmProvider {
    const { llmFirstTokenTimeoutMs, llmIdleTimeoutMs, llmTotalTimeoutMs, llmRetries } = this.config;
    const attempt = new WithDeadlines(provider, {
      firstTokenMs: llmFirstTokenTimeoutMs,
      idleMs: llmIdleTimeoutMs,
      totalMs: null,
    });
    const onRetry = (notice: RetryNotice): void => this.onRetry(notice);
    const retried = new WithRetry(attempt, { isOwnKey, retries: llmRetries, onRetry });
    return new WithDeadlines(retried, { firstTokenMs: null, idleMs: null, totalMs: llmTotalTimeoutMs });
  }

  private onRetry({ provider, attempt, code }: RetryNotice): void {
    this.logger.warn(`${provider}: attempt ${attempt} failed with ${code}, trying again`);
  }
}
