import type { LlmUsage, RawUsage } from '../public/llm-provider.js';
import { countOrNull, type JsonObject, objectOrNull } from './json-fields.js';

const MAX_RAW_CHARS = 4096;
/** What JSON may say and PostgreSQL's jsonb can not: NUL, and halves of surrogate pairs. */
const NOT_STORABLE = /\\u(0000|d[89a-f])/i;

/** The object as it came, to be kept; null when it is far larger than any such object is, or can not be stored. */
export function rawUsage(usage: JsonObject): RawUsage | null {
  const text = JSON.stringify(usage);
  return text.length > MAX_RAW_CHARS || NOT_STORABLE.test(text) ? null : usage;
}

/** Token counts under OpenAI's names; null when there is none among them. */
export function openAiUsage(usage: JsonObject): LlmUsage | null {
  return toldOrNull(counts(usage));
}

/** The same, with what OpenRouter says the call cost: dollars, as a float. */
export function openRouterUsage(usage: JsonObject): LlmUsage | null {
  const { cost } = usage;
  const costMicroUsd = typeof cost === 'number' && cost >= 0 ? countOrNull(Math.round(cost * 1_000_000)) : null;
  return toldOrNull({ ...counts(usage), costMicroUsd });
}

function counts(usage: JsonObject): LlmUsage {
  return {
    inputTokens: countOrNull(usage.prompt_tokens),
    outputTokens: countOrNull(usage.completion_tokens),
    cachedInputTokens: countOrNull(objectOrNull(usage.prompt_tokens_details)?.cached_tokens),
    costMicroUsd: null,
  };
}

function toldOrNull(usage: LlmUsage): LlmUsage | null {
  return Object.values(usage).some((count) => count !== null) ? usage : null;
}
