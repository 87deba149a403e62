import type {
  ConnectionCheck,
  Generation,
  LlmEvent,
  LlmMessage,
  LlmModel,
  LlmOptions,
  LlmProvider,
  LlmUsage,
} from '../public/llm-provider.js';
import { LlmError } from '../public/llm-error.js';
import { objectOrNull } from './json-fields.js';
import type { HttpProviderSettings } from './openai.provider.js';
import type { ChatCall } from './openai-request.js';
import { generationUsage, openRouterUsage } from './openai-usage.js';
import { OpenAiWire } from './openai-wire.js';

/** OpenRouter: the same wire, with what a call cost, errors inside a 200, and comment lines while a model is waited for. */
export class OpenRouterProvider implements LlmProvider {
  readonly name = 'openrouter';
  readonly defaultModel: string;
  private readonly wire: OpenAiWire;

  constructor(settings: HttpProviderSettings) {
    this.defaultModel = settings.model;
    this.wire = new OpenAiWire({
      ...settings,
      extraBody: { usage: { include: true } },
      extraHeaders: { 'x-title': 'Parley' },
      usageOf: openRouterUsage,
    });
  }

  generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    return this.wire.generate(this.callOf(messages, options), signal);
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return this.wire.stream(this.callOf(messages, options), signal, options.onSignOfLife);
  }

  validateConnection(signal?: AbortSignal): Promise<ConnectionCheck> {
    // OpenRouter lists its models to anybody; only /key tells whether the key is good.
    return this.wire.check('/key', signal);
  }

  listModels(signal?: AbortSignal): Promise<readonly LlmModel[]> {
    return this.wire.listModels(signal);
  }

  /** What OpenRouter's own records say of a generation, some seconds after its end; null when they do not know it. */
  async findGeneration(id: string, signal?: AbortSignal): Promise<LlmUsage | null> {
    try {
      const { data } = await this.wire.getJson(`/generation?id=${encodeURIComponent(id)}`, signal);
      const record = objectOrNull(data);
      return record === null ? null : generationUsage(record);
    } catch (error) {
      if (error instanceof LlmError && error.providerStatus === 404) return null;
      throw error;
    }
  }

  close(): Promise<void> {
    return this.wire.close();
  }

  private callOf(messages: readonly LlmMessage[], { model, params, alternatives }: LlmOptions): ChatCall {
    return { messages, model: model ?? this.defaultModel, params, alternatives };
  }
}
