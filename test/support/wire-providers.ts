import { type AppConfig, defaultConfig } from '../../src/app-config.js';
import { Clock } from '../../src/kernel/clock.js';
import { LlmProviders } from '../../src/modules/llm/public/llm-providers.js';
import { Circuits } from '../../src/platform/circuits/circuits.js';
import { createHostResolver } from '../../src/platform/outbound/host-resolver.js';
import { OutboundGuard } from '../../src/platform/outbound/outbound-guard.js';

/** Deadlines that a loaded machine keeps. */
const PATIENT = { llmFirstTokenTimeoutMs: 5000, llmIdleTimeoutMs: 5000, llmTotalTimeoutMs: 5000 };

/** Each reading is a minute after the one before: failures so far apart open no circuit. */
class SeldomAsked extends Clock {
  private ms = 0;

  override nowMs(): number {
    return (this.ms += 60_000);
  }
}

/** Providers of which `openai` has its server at that address. Whoever made them closes them. */
export function providersFor(baseUrl: string, more: Partial<AppConfig> = {}): LlmProviders {
  const config = Object.assign(defaultConfig(), {
    llmProvider: 'openai',
    openaiApiKey: 'k',
    openaiBaseUrl: baseUrl,
    llmConnectTimeoutMs: 150,
    ...PATIENT,
    llmMaxAnswerChars: 2000,
    llmRetries: 0,
    circuitFailures: 1000,
    ...more,
  });
  const guard = new OutboundGuard(config, createHostResolver([]));
  return new LlmProviders(config, config, config, guard, new Circuits(new SeldomAsked(), config));
}
