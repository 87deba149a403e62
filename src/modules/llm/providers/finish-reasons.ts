import type { FinishReason } from '../public/llm-provider.js';

/** What providers call the end of an answer, by what it means. `failed`: the answer broke off. */
const WORDS: Readonly<Record<Exclude<FinishReason, 'other'> | 'failed', readonly string[]>> = {
  stop: ['stop', 'eos', 'eos_token', 'end_turn', 'stop_sequence', 'stop_token', 'complete', 'completed', 'finished'],
  length: [
    'length',
    'max_tokens',
    'max_output_tokens',
    'max_new_tokens',
    'max_length',
    'model_length',
    'token_limit',
    'context_length',
    'context_length_exceeded',
    'model_context_window_exceeded',
  ],
  content_filter: [
    'content_filter',
    'content_filtered',
    'content-filter',
    'filtered',
    'flagged',
    'safety',
    'recitation',
    'blocklist',
    'prohibited_content',
    'spii',
    'language',
    'image_safety',
    'sensitive',
    'refusal',
    'moderation',
    'guardrail_intervened',
  ],
  tool_calls: ['tool_calls', 'tool_call', 'tool-calls', 'tool_use', 'function_call'],
  failed: [
    'error',
    'network_error',
    'abort',
    'aborted',
    'cancelled',
    'canceled',
    'failed',
    'failure',
    'timeout',
    'server_error',
    'internal_error',
    'model_error',
    'upstream_error',
    'provider_error',
    'connection_error',
    'insufficient_system_resource',
    'malformed_function_call',
    'function_call_filter',
    'unexpected_tool_call',
  ],
};

const MEANINGS = new Map(
  Object.entries(WORDS).flatMap(([meaning, words]) => words.map((word) => [word, meaning as keyof typeof WORDS])),
);

/** Texts that some servers send in every frame until the answer ends. */
const NO_REASON = ['null', 'none', 'undefined'];

/** The provider's own word for the end of an answer; null when it names none yet. */
export function finishWordOf(value: unknown): string | null {
  return typeof value !== 'string' || value === '' || NO_REASON.includes(value.toLowerCase()) ? null : value;
}

/** What a provider's word means, in any case and with any remark behind a colon (`content_filter: SAFETY`). */
export function meaningOf(word: string): FinishReason | 'failed' {
  const name = word.toLowerCase();
  const colon = name.indexOf(':');
  return MEANINGS.get(colon === -1 ? name : name.slice(0, colon).trim()) ?? 'other';
}
