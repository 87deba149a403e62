import type { LlmMessage, LlmParams } from '../public/llm-provider.js';
import type { JsonObject } from './json-fields.js';

/** What differs between servers that speak the chat completions wire. */
export interface RequestDialect {
  /** OpenAI's newer models refuse `max_tokens`; many compatible servers know nothing else. */
  readonly maxTokensField: 'max_tokens' | 'max_completion_tokens';
  /** Fields that every request to this server carries. */
  readonly extraBody: JsonObject;
}

/** The JSON body of POST /chat/completions. Absent settings are left out, so that the provider's defaults hold. */
export function chatBody(
  dialect: RequestDialect,
  call: { readonly messages: readonly LlmMessage[]; readonly model: string; readonly params: LlmParams },
  isStream: boolean,
): string {
  const { max_output_tokens: maxOutputTokens, ...sampling } = call.params;
  return JSON.stringify({
    model: call.model,
    messages: call.messages,
    ...sampling,
    [dialect.maxTokensField]: maxOutputTokens,
    stream: isStream,
    stream_options: isStream ? { include_usage: true } : undefined,
    ...dialect.extraBody,
  });
}
