import type { LlmUsage, RawUsage } from '../public/llm-provider.js';
import { countOrNull, type JsonObject, objectOrNull, toJsonOrNull } from './json-fields.js';

const MAX_RAW_CHARS = 4096;
/** What JSON may say and PostgreSQL's jsonb cannot: NUL, and halves of surrogate pairs. */
const NOT_STORABLE = /\\u(0000|d[89a-f])/i;

/** The object as it came, to be kept; null when it is far larger than any such object is, or cannot be stored. */
export function rawUsage(usage: JsonObject): RawUsage | null {
  const text = toJsonOrNull(usage);
  return text === null || text.length > MAX_RAW_CHARS || NOT_STORABLE.test(text) ? null : usage;
}

/** Token counts in any of the spellings in use; null when there is none among them. */
export function openAiUsage(usage: JsonObject): LlmUsage | null {
  return toldOrNull(counts(usage));
}

/** The same, with what OpenRouter says the call cost: dollars, as a float. */
export function openRouterUsage(usage: JsonObject): LlmUsage | null {
  return toldOrNull({ ...counts(usage), costMicroUsd: microUsdOrNull(openRouterCost(usage)) });
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

/** With a key of one's own, OpenRouter charges its fee and the provider behind it the rest. */
function openRouterCost({ cost, is_byok: isOwnKey, cost_details: details }: JsonObject): unknown {
  const upstream = objectOrNull(details)?.upstream_inference_cost;
  return isOwnKey === true && typeof upstream === 'number' && typeof cost === 'number' ? cost + upstream : cost;
}

/** Of dollars, as a float. */
function microUsdOrNull(dollars: unknown): number | null {
  return typeof dollars === 'number' && dollars >= 0 ? countOrNull(Math.round(dollars * 1_000_000)) : null;
}

function counts(usage: JsonObject): LlmUsage {
  const inputTokens = countOrNull(usage.prompt_tokens) ?? anthropicInput(usage);
  return {
    inputTokens,
    outputTokens: outputTokens(usage, inputTokens),
    cachedInputTokens:
      countOrNull(objectOrNull(usage.prompt_tokens_details)?.cached_tokens) ??
      countOrNull(objectOrNull(usage.input_tokens_details)?.cached_tokens) ??
      countOrNull(usage.prompt_cache_hit_tokens) ??
      countOrNull(usage.cached_tokens) ??
      countOrNull(usage.cache_read_input_tokens),
    costMicroUsd: null,
  };
}

/** Anthropic counts what its cache read and wrote beside `input_tokens`; a total, where there is one, tells whether. */
function anthropicInput(usage: JsonObject): number | null {
  const input = countOrNull(usage.input_tokens);
  if (input === null) return null;
  const cached =
    (countOrNull(usage.cache_read_input_tokens) ?? 0) + (countOrNull(usage.cache_creation_input_tokens) ?? 0);
  const total = countOrNull(usage.total_tokens);
  const isIncluded = total !== null && total < input + cached + (countOrNull(usage.output_tokens) ?? 0);
  return isIncluded ? input : countOrNull(input + cached);
}

/** Some servers count reasoning outside of the completion; then only the total, which is paid, has it. */
function outputTokens(usage: JsonObject, inputTokens: number | null): number | null {
  const output = countOrNull(usage.completion_tokens) ?? countOrNull(usage.output_tokens);
  const total = countOrNull(usage.total_tokens);
  if (output === null || total === null || inputTokens === null) return output;
  return Math.max(output, total - inputTokens);
}

function toldOrNull(usage: LlmUsage): LlmUsage | null {
  return Object.values(usage).some((count) => count !== null) ? usage : null;
}
