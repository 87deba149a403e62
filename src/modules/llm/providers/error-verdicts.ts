import type { LlmErrorCode } from '../public/llm-error.js';
import type { ErrorWords } from './error-words.js';

export interface Verdict {
  readonly code: LlmErrorCode;
  readonly retryable: boolean;
}

interface Words {
  readonly names: readonly string[];
  readonly message: RegExp;
}

/** A prompt longer than the model can read; llama.cpp has said so under status 500 (ggml-org/llama.cpp#15780). */
const CONTEXT: Words = {
  names: [
    'context_length_exceeded',
    'exceed_context_size_error',
    'model_max_prompt_tokens_exceeded',
    'string_above_max_length',
    'context_window_exceeded',
    'contextwindowexceedederror',
  ],
  message:
    /context[ _-]?(?:length|size|window|limit)|maximum context|prompt (?:is |tokens? )?too (?:long|large|big)|(?:input|prompt|inputs) is too (?:long|large|big)|exceeded model token limit|range of input length|maximum model length|maximum (?:prompt|input) length|exceeds? max(?:imum)? (?:input )?(?:length|tokens)|maximum number of tokens|too many (?:input |prompt |total )?tokens(?!,? please wait)|request too large[^]{0,200}tokens?|reduce the length of|too large for model|token count [^]{0,60}exceeds|tokens in request more than max|context the overflows|inputs?`? (?:must have less than|tokens \+ )|length of (?:the )?(?:input|prompt)[^]{0,60}exceed|string too long/i,
};
const CREDIT: Words = {
  names: [
    'insufficient_quota',
    'billing_hard_limit_reached',
    'billing_not_active',
    'insufficient_credits',
    'insufficient_balance',
    'exceeded_current_quota_error',
    'arrearage',
    'budget_exceeded',
  ],
  message:
    /insufficient (?:account )?(?:balance|credit|funds|quota)|credit balance is too low|exceeded your current quota|(?:out of|not enough|requires more|no) (?:credits|balance)|billing hard limit|billing is not active|payment required|in arrears|overdue|spending limit|budget has been exceeded/i,
};
const KEY: Words = {
  names: [
    'invalid_api_key',
    'api_key_invalid',
    'authentication_error',
    'invalid_authentication_error',
    'unauthenticated',
  ],
  message:
    /api[ _-]?key (?:is |was )?(?:not valid|invalid|incorrect|missing|expired|not found)|(?:invalid|incorrect|missing|no) (?:api[ _-]?key|access token|auth(?:entication|orization)?\b)/i,
};
const MODERATION: Words = {
  names: [
    'content_policy_violation',
    'content_filter',
    'responsibleaipolicyviolation',
    'moderation',
    'data_inspection_failed',
  ],
  message:
    /guardrail|moderation|flagged|content (?:policy|management|filter)|data policy|privacy settings|inappropriate content/i,
};
const REGION: Words = {
  names: ['unsupported_country_region_territory', 'unsupported_country'],
  message: /(?:country|region|location|territory)[^]{0,60}(?:not supported|not available|unsupported|restricted)/i,
};
const ABILITY: Words = {
  names: [],
  message:
    /no endpoints found (?:that support|matching)|no (?:allowed|available) providers|does not support (?:image|tool|audio|file)/i,
};
const MODEL: Words = {
  names: ['model_not_found', 'deploymentnotfound', 'model_not_available', 'invalid_model', 'unknown_model'],
  message:
    /not a valid model|no endpoints found for|(?:invalid|unknown|unsupported|no such) (?:model|deployment)|does not have access to model|(?:model|deployment)\b[^]{0,200}(?:not found|not exist|is not available|is not supported for)|not found[^]{0,40}model/i,
};
/** Said by web servers and frameworks, not by a model's API. */
const ADDRESS: Words = {
  names: [],
  message:
    /^\s*(?:404:? )?not found\.?\s*$|page not found|invalid url|cannot post|resource not found|(?:url|path|endpoint|route)[^]{0,200}(?:was )?not found|unknown (?:url|path|endpoint|route)|unrecognized request url|no static resource|method not allowed|^\s*<(?:!doctype|html)/i,
};
const OVERLOAD: Words = {
  names: ['overloaded', 'overloaded_error', 'engine_overloaded_error', 'engine_overloaded', 'unavailable'],
  message: /\boverloaded\b|at capacity/i,
};

const REJECTED: Verdict = { code: 'provider_rejected', retryable: false };

/** What an answer with this status and these words means. The provider's words come before its status. */
export function judge(status: number, words: ErrorWords): Verdict {
  const { names } = words;
  if (status >= 400 && has(words, CONTEXT)) return { code: 'context_too_large', retryable: false };
  if (names.some((name) => CREDIT.names.includes(name))) return judgeQuota(status, words);
  return status >= 400 && status < 500 ? judgeRequest(status, words) : judgeServer(status, words);
}

/** A quota that is full again within a stated time is a limit of rate, as Gemini's by the minute. */
function judgeQuota(status: number, { retryAfterMs }: ErrorWords): Verdict {
  return status === 429 && retryAfterMs !== null
    ? { code: 'provider_rate_limited', retryable: true }
    : { code: 'provider_credit_exhausted', retryable: false };
}

function judgeRequest(status: number, words: ErrorWords): Verdict {
  if (status !== 404 && has(words, CREDIT)) return judgeQuota(status, words);
  switch (status) {
    case 401:
      return { code: 'provider_key_refused', retryable: false };
    case 402:
      return { code: 'provider_credit_exhausted', retryable: false };
    case 403:
      return judgeForbidden(words);
    case 404:
    case 405:
      return { code: judgeMissing(status, words), retryable: false };
    case 408:
    case 409:
      return { code: 'provider_error', retryable: true };
    case 413:
      return { code: 'provider_request_too_large', retryable: false };
    case 429:
      return { code: has(words, OVERLOAD) ? 'provider_overloaded' : 'provider_rate_limited', retryable: true };
    default:
      if (has(words, KEY)) return { code: 'provider_key_refused', retryable: false };
      return has(words, MODEL) ? { code: 'model_not_found', retryable: false } : REJECTED;
  }
}

/** OpenRouter and others answer 403 for a flagged prompt or a closed region too; that is no trouble with the key. */
function judgeForbidden(words: ErrorWords): Verdict {
  if (words.isModeration || has(words, MODERATION) || has(words, REGION) || has(words, ABILITY)) return REJECTED;
  return { code: has(words, MODEL) ? 'model_not_found' : 'provider_key_refused', retryable: false };
}

function judgeMissing(status: number, words: ErrorWords): LlmErrorCode {
  if (words.isModeration || has(words, ABILITY) || has(words, MODERATION)) return 'provider_rejected';
  if (has(words, MODEL)) return 'model_not_found';
  if (status === 405 || has(words, ADDRESS)) return 'provider_address_wrong';
  return 'model_not_found';
}

function judgeServer(status: number, words: ErrorWords): Verdict {
  if (status < 400) return { code: 'provider_bad_response', retryable: false };
  switch (status) {
    case 503:
    case 529:
      return { code: 'provider_overloaded', retryable: true };
    case 504:
      return { code: 'provider_timeout', retryable: true };
    default:
      return { code: has(words, OVERLOAD) ? 'provider_overloaded' : 'provider_error', retryable: true };
  }
}

function has({ names, message }: ErrorWords, words: Words): boolean {
  return names.some((name) => words.names.includes(name)) || words.message.test(message);
}
