import { Injectable, Logger } from '@nestjs/common';
import type { ProviderName } from '../../../kernel/provider-name.js';
import { AppConfig } from '../../../platform/config/app-config.js';
import { OfflineProvider } from '../providers/offline.provider.js';
import { type HttpProviderSettings, OpenAiProvider } from '../providers/openai.provider.js';
import { OpenRouterProvider } from '../providers/openrouter.provider.js';
import { WithDeadlines } from '../resilience/with-deadlines.js';
import { type RetryNotice, WithRetry } from '../resilience/with-retry.js';
import type { LlmProvider } from './llm-provider.js';

/** Which providers this server can call: those that config gives a key for, each with deadlines and retries. */
@Injectable()
export class LlmProviders {
  /** The one that LLM_PROVIDER names; offline when it names none. */
  readonly default: LlmProvider;
  private readonly logger = new Logger('Llm');
  private readonly byName = new Map<ProviderName, LlmProvider>();

  constructor(private readonly config: AppConfig) {
    const { openaiApiKey, openrouterApiKey, nodeEnv, offlineDelayMs } = config;
    if (openaiApiKey !== undefined) {
      const settings = this.settings(config.openaiBaseUrl, openaiApiKey, config.openaiModel);
      this.add(new OpenAiProvider(settings));
    }
    if (openrouterApiKey !== undefined) {
      const settings = this.settings(config.openrouterBaseUrl, openrouterApiKey, config.openrouterModel);
      this.add(new OpenRouterProvider(settings));
    }
    const chosen = (config.llmProvider ?? 'offline') as ProviderName;
    if (chosen === 'offline' || nodeEnv !== 'production') this.add(new OfflineProvider(offlineDelayMs));
    const provider = this.byName.get(chosen);
    if (provider === undefined) throw new Error(`LLM_PROVIDER is ${chosen}, but its key is not set`);
    this.default = provider;
  }

  /** The provider of that name, the default for null; null when this server is not configured for it. */
  find(name: ProviderName | null): LlmProvider | null {
    return name === null ? this.default : (this.byName.get(name) ?? null);
  }

  /** Names that `find` knows, the default first. */
  configuredNames(): readonly ProviderName[] {
    const others = [...this.byName.keys()].filter((name) => name !== this.default.name);
    return [this.default.name, ...others];
  }

  /** Gives back the sockets of all providers; calls that still run fail. */
  async close(): Promise<void> {
    await Promise.all([...this.byName.values()].map((provider) => provider.close()));
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

  private add(provider: LlmProvider): void {
    const { llmFirstTokenTimeoutMs, llmIdleTimeoutMs, llmTotalTimeoutMs, llmRetries } = this.config;
    const attempt = new WithDeadlines(provider, {
      firstTokenMs: llmFirstTokenTimeoutMs,
      idleMs: llmIdleTimeoutMs,
      totalMs: null,
    });
    const retried = new WithRetry(attempt, { retries: llmRetries, onRetry: (notice) => this.onRetry(notice) });
    const bounded = new WithDeadlines(retried, { firstTokenMs: null, idleMs: null, totalMs: llmTotalTimeoutMs });
    this.byName.set(provider.name, bounded);
  }

  private onRetry({ provider, attempt, code }: RetryNotice): void {
    this.logger.warn(`${provider}: attempt ${attempt} failed with ${code}, trying again`);
  }
}
