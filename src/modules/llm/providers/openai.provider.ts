import type { Dispatcher } from 'undici';
import type {
  ConnectionCheck,
  Generation,
  LlmEvent,
  LlmMessage,
  LlmModel,
  LlmOptions,
  LlmProvider,
} from '../public/llm-provider.js';
import { openAiUsage } from './openai-usage.js';
import { OpenAiWire } from './openai-wire.js';

export interface HttpProviderSettings {
  readonly baseUrl: string;
  readonly apiKey: string;
  readonly model: string;
  readonly connectTimeoutMs: number;
  /** How long the connection check and the list of models may take. */
  readonly probeTimeoutMs: number;
  readonly maxAnswerChars: number;
  /** Whose connections are used; without it the provider has its own. */
  readonly dispatcher?: Dispatcher;
}

/**
 * OpenAI, or any server that speaks its chat completions wire (Ollama, vLLM, llama.cpp, LiteLLM, ...). It is `custom` when
 * a project gave the address; one that the operator set in OpenAI's place goes by the name `openai`.
 */
export class OpenAiProvider implements LlmProvider {
  readonly defaultModel: string;
  private readonly wire: OpenAiWire;

  constructor(
    settings: HttpProviderSettings,
    readonly name: 'openai' | 'custom' = 'openai',
  ) {
    this.defaultModel = settings.model;
    this.wire = new OpenAiWire({
      ...settings,
      maxTokensField: new URL(settings.baseUrl).hostname === 'api.openai.com' ? 'max_completion_tokens' : 'max_tokens',
      extraBody: {},
      extraHeaders: {},
      usageOf: openAiUsage,
    });
  }

  generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    return this.wire.generate({ messages, model: options.model ?? this.defaultModel, params: options.params }, signal);
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    return this.wire.stream({ messages, model: options.model ?? this.defaultModel, params: options.params }, signal);
  }

  validateConnection(signal?: AbortSignal): Promise<ConnectionCheck> {
    return this.wire.check('/models', signal);
  }

  listModels(signal?: AbortSignal): Promise<readonly LlmModel[]> {
    return this.wire.listModels(signal);
  }

  close(): Promise<void> {
    return this.wire.close();
  }
}
