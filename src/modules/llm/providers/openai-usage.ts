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
  return toldOrNull({ ...counts(usage), costMicroUsd: microUsdOrNull(usage.cost) });
}

/** What OpenRouter's record of a generation says, by the model's own tokenizer. */
export function generationUsage(record: JsonObject): LlmUsage | null {
  return toldOrNull({
    inputTokens: countOrNull(record.native_tokens_prompt),
    outputTokens: countOrNull(record.native_tokens_completion),
    cachedInputTokens: countOrNull(record.native_tokens_cached),
    costMicroUsd: microUsdOrNull(record.total_cost),
  });
}

/** Of dollars, as a float. */
function microUsdOrNull(dollars: unknown): number | null {
  return typeof dollars === 'number' && dollars >= 0 ? countOrNull(Math.round(dollars * 1_000_000)) : null;
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
