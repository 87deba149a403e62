import type { LlmErrorCode } from '../public/llm-error.js';
import {
  ABILITY,
  ADDRESS,
  CONTEXT,
  CREDIT,
  KEY,
  MODEL,
  MODERATION,
  OVERLOAD,
  REGION,
  type Words,
} from './error-phrases.js';
import type { ErrorWords } from './error-words.js';
import { hasPhrase } from './phrases.js';

export interface Verdict {
  readonly code: LlmErrorCode;
  readonly retryable: boolean;
}

const BARE = ['not found', 'not found.', '404: not found', '404 not found'];

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
  if (status === 405 || has(words, ADDRESS) || isOfWebServer(words)) return 'provider_address_wrong';
  return 'model_not_found';
}

/** A page, or two words: a model's API says more. */
function isOfWebServer({ message }: ErrorWords): boolean {
  const text = message.trim().toLowerCase();
  return text.startsWith('<!doctype') || text.startsWith('<html') || BARE.includes(text);
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
  return names.some((name) => words.names.includes(name)) || hasPhrase(message.toLowerCase(), words.phrases);
}
