import { Clock } from '../../../kernel/clock.js';
import { Circuits } from '../../../platform/circuits/circuits.js';
import { type AppConfig, defaultConfig } from '../../../app-config.js';
import { createHostResolver } from '../../../platform/outbound/host-resolver.js';
import { OutboundGuard } from '../../../platform/outbound/outbound-guard.js';
import { LlmError } from './llm-error.js';
import { LlmProviders } from './llm-providers.js';
import { toAppError } from './to-app-error.js';

function providers(settings: Partial<AppConfig>): LlmProviders {
  const config = Object.assign(defaultConfig(), settings);
  return new LlmProviders(
    config,
    config,
    config,
    new OutboundGuard(config, createHostResolver([])),
    new Circuits(new Clock(), config),
  );
}

describe('LlmProviders', () => {
  it('is offline when nothing is configured', () => {
    const subject = providers({});
    expect(subject.default.name).toBe('offline');
    expect(subject.find(null)).toBe(subject.default);
    expect(subject.find('openai')).toBeNull();
    expect(subject.configuredNames()).toEqual(['offline']);
  });

  it('knows the providers with a key, the chosen one first', () => {
    const subject = providers({
      llmProvider: 'openrouter',
      openaiApiKey: 'a',
      openrouterApiKey: 'b',
      openaiModel: 'm',
    });
    expect(subject.configuredNames()).toEqual(['openrouter', 'openai', 'offline']);
    expect(subject.find('openai')).toMatchObject({ name: 'openai', defaultModel: 'm' });
  });

  it('offers canned answers in production only when they are configured explicitly', () => {
    expect(providers({ nodeEnv: 'production', llmProvider: 'openai', openaiApiKey: 'a' }).find('offline')).toBeNull();
    expect(providers({ nodeEnv: 'production', llmProvider: 'offline' }).find('offline')).not.toBeNull();
  });

  it('does not start with a provider that it cannot call', () => {
    expect(() => providers({ llmProvider: 'openai' })).toThrow('LLM_PROVIDER is openai');
  });
});

describe('toAppError', () => {
  it('keeps the code and rounds the wait up', () => {
    const error = new LlmError('provider_rate_limited', { retryable: true, retryAfterMs: 1200 });
    expect(toAppError(error)).toMatchObject({ code: 'provider_rate_limited', retryAfterSeconds: 2, cause: error });
    expect(toAppError(new LlmError('provider_error', { retryable: true })).retryAfterSeconds).toBeUndefined();
  });
});
