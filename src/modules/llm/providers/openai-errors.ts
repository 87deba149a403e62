import { ADDRESS_REFUSED } from '../../../platform/outbound/outbound-guard.js';
import { LlmError, type LlmErrorCode } from '../public/llm-error.js';
import { isJsonObject, parseJson, textOrNull } from './json-fields.js';

/** Takes secrets out of a provider's words before they become a cause. */
export type Redact = (text: string) => string;

interface Verdict {
  readonly code: LlmErrorCode;
  readonly retryable: boolean;
}

/** What a provider says about its error, in any of the shapes in use. */
interface ErrorWords {
  /** `code` and `type`, lower case. */
  readonly names: readonly string[];
  readonly message: string;
  readonly isModeration: boolean;
}

const MAX_CAUSE_CHARS = 2000;
const MAX_RETRY_AFTER_MS = 3_600_000;

// llama.cpp has sent the second one under status 500 (ggml-org/llama.cpp#15780).
const CONTEXT_NAMES = ['context_length_exceeded', 'exceed_context_size_error'];
const CONTEXT_MESSAGE = /context[ _-]?(length|size|window)|maximum context|prompt is too long/i;
const QUOTA_NAMES = ['insufficient_quota', 'billing_hard_limit_reached', 'insufficient_credits'];
const MODEL_MESSAGE = /not a valid model/i;
/** Two looks: as one expression they would take the square of the text's length, and the text is a stranger's. */
const MODEL = /model /i;
const IS_NOT_THERE = /not found|does not exist/i;

/** Statuses that the names in errors without a number stand for. */
const STATUS_OF_NAME: ReadonlyMap<string, number> = new Map(
  Object.entries({
    authentication_error: 401,
    invalid_api_key: 401,
    insufficient_quota: 402,
    model_not_found: 404,
    not_found_error: 404,
    context_length_exceeded: 413,
    exceed_context_size_error: 413,
    rate_limit_error: 429,
    rate_limit_exceeded: 429,
    invalid_request_error: 400,
    content_policy_violation: 400,
    overloaded: 503,
    overloaded_error: 503,
    service_unavailable: 503,
    timeout: 504,
  }),
);

/** Hides the key, and the masked forms of keys that providers print in their 401 (`sk-ab***yz`). */
export function redactor(apiKey: string): Redact {
  return (text) => {
    const withoutKey = apiKey === '' ? text : text.replaceAll(apiKey, '[key]');
    return withoutKey.replace(/\b(sk|pk|key)-[\w*.-]{4,}/g, '[key]');
  };
}

/** The error of an answer whose HTTP status is not 200. */
export function statusError(
  status: number,
  body: string,
  retryAfter: { readonly seconds?: unknown; readonly milliseconds?: unknown },
  redact: Redact,
): LlmError {
  const parsed = parseJson(body);
  const verdict = judge(status, wordsOf(isJsonObject(parsed) && parsed.error != null ? parsed.error : parsed));
  return new LlmError(verdict.code, {
    providerStatus: status,
    retryable: verdict.retryable,
    retryAfterMs: retryAfterMs(retryAfter.seconds, retryAfter.milliseconds),
    cause: providerWords(`HTTP ${status}: ${body}`, redact),
  });
}

/** The error that a provider wrote into a 200: in a JSON body, or as a frame in the middle of a stream. */
export function inBandError(error: unknown, redact: Redact): LlmError {
  const words = wordsOf(error);
  const number = isJsonObject(error) ? Number(error.code ?? error.status) : Number.NaN;
  const isStatus = Number.isInteger(number) && number >= 400 && number <= 599;
  const named = words.names.map((name) => STATUS_OF_NAME.get(name)).find((status) => status !== undefined);
  const verdict = judge(isStatus ? number : (named ?? 500), words);
  return new LlmError(verdict.code, {
    providerStatus: isStatus ? number : 200,
    retryable: verdict.retryable,
    cause: providerWords(JSON.stringify(error) ?? String(error), redact),
  });
}

/** An answer that breaks the wire format. The same call would most likely break it again. */
export function badResponse(what: string, status: number | null = 200): LlmError {
  return new LlmError('provider_bad_response', { providerStatus: status, retryable: false, cause: new Error(what) });
}

/** The answer ended before it was complete. */
export function disconnected(cause: unknown): LlmError {
  return new LlmError('provider_disconnected', { providerStatus: 200, retryable: true, cause });
}

/** What became of a request that the transport could not finish; `status` is null before the headers came. */
export function networkError(error: unknown, status: number | null): LlmError {
  const code = transportCode(error);
  const verdict = judgeTransport(code);
  // The parser's error holds the bytes it stumbled over, which could be our own request sent back.
  const cause = code.startsWith('HPE_') ? new Error(`The answer is not HTTP (${code})`) : error;
  return new LlmError(verdict.code, { providerStatus: status, retryable: verdict.retryable, cause });
}

/** The code that Node or undici gave to a transport error; on several addresses, that of the first. */
export function transportCode(error: unknown): string {
  if (!isJsonObject(error)) return '';
  if (typeof error.code === 'string') return error.code;
  if (error.name === 'HTTPParserError') return 'HPE_UNKNOWN';
  return transportCode(Array.isArray(error.errors) ? error.errors[0] : error.cause);
}

function judge(status: number, words: ErrorWords): Verdict {
  if (words.names.some((name) => CONTEXT_NAMES.includes(name))) return { code: 'context_too_large', retryable: false };
  if (words.names.some((name) => QUOTA_NAMES.includes(name))) {
    return { code: 'provider_credit_exhausted', retryable: false };
  }
  switch (status) {
    case 401:
      return { code: 'provider_key_refused', retryable: false };
    case 403:
      // OpenRouter answers 403 for a flagged prompt too; that is no trouble with the key.
      return { code: words.isModeration ? 'provider_rejected' : 'provider_key_refused', retryable: false };
    case 402:
      return { code: 'provider_credit_exhausted', retryable: false };
    case 404:
      return { code: 'model_not_found', retryable: false };
    case 408:
    case 409:
      return { code: 'provider_error', retryable: true };
    case 413:
      return { code: 'context_too_large', retryable: false };
    case 429:
      return { code: 'provider_rate_limited', retryable: true };
    case 503:
    case 529:
      return { code: 'provider_overloaded', retryable: true };
    case 504:
      return { code: 'provider_timeout', retryable: true };
    default:
      if (status >= 500) return { code: 'provider_error', retryable: true };
      return { code: status < 400 ? 'provider_bad_response' : judgeRejection(words), retryable: false };
  }
}

function judgeRejection({ names, message }: ErrorWords): LlmErrorCode {
  if (CONTEXT_MESSAGE.test(message)) return 'context_too_large';
  if (names.includes('model_not_found') || isModelMissing(message)) return 'model_not_found';
  return 'provider_rejected';
}

function judgeTransport(code: string): Verdict {
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EHOSTUNREACH':
    case 'EHOSTDOWN':
    case 'ENETUNREACH':
    case 'ENETDOWN':
    case 'EADDRNOTAVAIL':
    case 'ETIMEDOUT':
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'UND_ERR_CLOSED':
    case 'UND_ERR_DESTROYED':
      return { code: 'provider_unreachable', retryable: true };
    case ADDRESS_REFUSED:
      return { code: 'provider_address_refused', retryable: false };
    case 'UND_ERR_HEADERS_OVERFLOW':
      return { code: 'provider_bad_response', retryable: false };
    case 'UND_ERR_INVALID_ARG':
      // Of all that we put into a request, only the key can be something that HTTP forbids.
      return { code: 'provider_key_refused', retryable: false };
    default:
      if (isTlsCode(code)) return { code: 'provider_unreachable', retryable: false };
      if (code.startsWith('HPE_')) return { code: 'provider_bad_response', retryable: false };
      return { code: 'provider_disconnected', retryable: true };
  }
}

function isTlsCode(code: string): boolean {
  return code === 'EPROTO' || /^(CERT_|ERR_TLS_|ERR_SSL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_)/.test(code);
}

function wordsOf(error: unknown): ErrorWords {
  if (typeof error === 'string') return { names: [], message: error, isModeration: false };
  if (!isJsonObject(error)) return { names: [], message: '', isModeration: false };
  const names = [error.code, error.type].map(textOrNull).flatMap((name) => (name === null ? [] : [name.toLowerCase()]));
  return { names, message: textOrNull(error.message) ?? '', isModeration: isModeration(error.metadata) };
}

function isModeration(metadata: unknown): boolean {
  return isJsonObject(metadata) && (Array.isArray(metadata.reasons) || 'flagged_input' in metadata);
}

/** RFC 9110 gives seconds or a date; OpenAI also sends `retry-after-ms`. At most an hour; null when unreadable. */
function retryAfterMs(seconds: unknown, milliseconds: unknown): number | null {
  const exact = Number(textOrNull(milliseconds) ?? Number.NaN);
  const text = textOrNull(seconds);
  const rough = text === null ? Number.NaN : /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : untilDate(text);
  const wait = Number.isFinite(exact) ? exact : rough;
  return Number.isFinite(wait) ? Math.min(Math.max(Math.round(wait), 0), MAX_RETRY_AFTER_MS) : null;
}

function untilDate(text: string): number {
  // Date.parse reads nearly anything as a year; a date of HTTP names its day and month.
  return /[a-z]{3}/i.test(text) ? Date.parse(text) - Date.now() : Number.NaN;
}

function providerWords(text: string, redact: Redact): Error {
  return new Error(redact(text.slice(0, MAX_CAUSE_CHARS)));
}

function isModelMissing(message: string): boolean {
  const at = message.search(MODEL);
  return MODEL_MESSAGE.test(message) || (at >= 0 && IS_NOT_THERE.test(message.slice(at)));
}
