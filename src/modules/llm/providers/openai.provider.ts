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
import type { LearnedRequests } from './learned-requests.js';
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
  /** What servers have refused so far; without it the provider learns for itself. */
  readonly learned?: LearnedRequests;
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
      extraBody: {},
      extraHeaders: {},
      usageOf: openAiUsage,
    });
  }

  generate(messages: readonly LlmMessage[], options: LlmOptions, signal?: AbortSignal): Promise<Generation> {
    return this.wire.generate({ messages, model: options.model ?? this.defaultModel, params: options.params }, signal);
  }

  stream(messages: readonly LlmMessage[], options: LlmOptions, signal: AbortSignal): AsyncIterable<LlmEvent> {
    const { model, params, onSignOfLife } = options;
    return this.wire.stream({ messages, model: model ?? this.defaultModel, params }, signal, onSignOfLife);
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
