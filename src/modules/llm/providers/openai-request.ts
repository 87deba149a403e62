import type { LlmMessage, LlmParams } from '../public/llm-provider.js';
import type { JsonObject } from './json-fields.js';

/** What differs between servers that speak the chat completions wire. */
export interface RequestDialect {
  /** OpenAI's newer models refuse `max_tokens`; many compatible servers know nothing else. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Fields that every request to this server carries. */
  readonly extraBody: JsonObject;
}

/** What is asked of a model. */
export interface ChatCall {
  readonly messages: readonly LlmMessage[];
  readonly model: string;
  readonly params: LlmParams;
  /** Tried in order when the model fails, by servers that can. */
  readonly alternatives?: readonly string[];
}

/** The JSON body of POST /chat/completions. Absent settings are left out, so that the provider's defaults hold. */
export function chatBody(dialect: RequestDialect, call: ChatCall, isStream: boolean): string {
  const { max_output_tokens: maxOutputTokens, ...sampling } = call.params;
  const { alternatives = [] } = call;
  return JSON.stringify({
    model: call.model,
    models: alternatives.length === 0 ? undefined : alternatives,
    messages: call.messages,
    ...sampling,
    [dialect.maxTokensField]: maxOutputTokens,
    stream: isStream,
    stream_options: isStream ? { include_usage: true } : undefined,
    ...dialect.extraBody,
  });
}
