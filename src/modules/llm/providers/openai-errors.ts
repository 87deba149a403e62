import { ADDRESS_REFUSED } from '../../../platform/outbound/outbound-guard.js';
import { LlmError, type LlmErrorFacts, type LlmErrorCode } from '../public/llm-error.js';
import { judge, type Verdict } from './error-verdicts.js';
import { errorWords } from './error-words.js';
import { isJsonObject, parseJson, textOrNull, toJsonOrNull } from './json-fields.js';
import { type Lesson, lessonsIn } from './request-lessons.js';

/** Takes secrets out of a provider's words before they become a cause. */
export type Redact = (text: string) => string;

export interface RetryHeaders {
  readonly seconds?: unknown;
  readonly milliseconds?: unknown;
}

/** An answer whose status is an error, with what it teaches about the requests that the server takes. */
export class RefusalError extends LlmError {
  constructor(
    code: LlmErrorCode,
    facts: LlmErrorFacts,
    readonly lessons: readonly Lesson[],
  ) {
    super(code, facts);
  }
}

const MAX_CAUSE_CHARS = 2000;
const MAX_RETRY_AFTER_MS = 3_600_000;
/** Statuses under which servers refuse a field or a role; llama.cpp's templates fail with 500. */
const TEACHING = [400, 422, 500, 501];

/** Statuses that the names in errors without a number stand for. */
const STATUS_OF_NAME: ReadonlyMap<string, number> = new Map(
  Object.entries({
    authentication_error: 401,
    invalid_api_key: 401,
    unauthenticated: 401,
    insufficient_quota: 402,
    permission_denied: 403,
    model_not_found: 404,
    not_found_error: 404,
    not_found: 404,
    context_length_exceeded: 413,
    exceed_context_size_error: 413,
    rate_limit_error: 429,
    rate_limit_exceeded: 429,
    ratelimiterror: 429,
    resource_exhausted: 429,
    invalid_request_error: 400,
    invalid_argument: 400,
    badrequesterror: 400,
    content_policy_violation: 400,
    overloaded: 503,
    overloaded_error: 503,
    service_unavailable: 503,
    unavailable: 503,
    insufficient_system_resource: 503,
    timeout: 504,
    deadline_exceeded: 504,
  }),
);

/** Hides the key, and the masked forms of keys that providers print in their 401 (`sk-ab***yz`). */
export function redactor(apiKey: string): Redact {
  return (text) => {
    const withoutKey = apiKey === '' ? text : text.replaceAll(apiKey, '[key]');
    return withoutKey.replace(/\b(sk|pk|key)-[\w*.-]{4,}/g, '[key]');
  };
}

/** The error of an answer whose HTTP status is not one of success. */
export function statusError(status: number, body: string, retryAfter: RetryHeaders, redact: Redact): RefusalError {
  const words = errorWords(parseJson(body) ?? body);
  const { code, retryable } = judge(status, words);
  const facts = {
    providerStatus: status,
    retryable,
    retryAfterMs: retryAfterMs(retryAfter) ?? bounded(words.retryAfterMs),
    cause: providerWords(`HTTP ${status}: ${body}`, redact),
  };
  const isTaught = TEACHING.includes(status) && (code === 'provider_rejected' || code === 'provider_error');
  return new RefusalError(code, facts, isTaught ? lessonsIn(status, words) : []);
}

/** The error that a provider wrote into a 200: in a JSON body, or as a frame in the middle of a stream. */
export function inBandError(error: unknown, redact: Redact): LlmError {
  const words = errorWords(error);
  const told = statusIn(error);
  const named = words.names.map((name) => STATUS_OF_NAME.get(name)).find((status) => status !== undefined);
  const verdict = judge(told ?? named ?? 500, words);
  return new LlmError(verdict.code, {
    providerStatus: told ?? 200,
    retryable: verdict.retryable,
    retryAfterMs: bounded(words.retryAfterMs),
    cause: providerWords(toJsonOrNull(error) ?? 'an error that cannot be shown', redact),
  });
}

/** Gateways put the error of the server behind them into their own; none has been seen to do so more often. */
const MAX_STATUS_DEPTH = 8;

/** The HTTP status that an error names as a number, in the object or in the first of a list. */
function statusIn(error: unknown, depth = 0): number | null {
  if (depth > MAX_STATUS_DEPTH) return null;
  if (Array.isArray(error)) return statusIn(error[0], depth + 1);
  if (!isJsonObject(error)) return null;
  const numbers = [error.code, error.status, error.status_code, error.statusCode].map(Number);
  const status = numbers.find((number) => Number.isInteger(number) && number >= 400 && number <= 599);
  return status ?? statusIn(error.error, depth + 1);
}

/** An answer that breaks the wire format. The same call would most likely break it again. */
export function badResponse(what: string, status: number | null = 200): LlmError {
  return new LlmError('provider_bad_response', { providerStatus: status, retryable: false, cause: new Error(what) });
}

/** The answer ended before it was complete; a cause with a code is the transport's. */
export function brokenOff(cause: Error, status: number | null): LlmError {
  if ('code' in cause) return networkError(cause, status);
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

/** RFC 9110 gives seconds or a date; OpenAI also sends `retry-after-ms`. At most an hour; null when unreadable. */
function retryAfterMs({ seconds, milliseconds }: RetryHeaders): number | null {
  const exact = Number(textOrNull(milliseconds) ?? Number.NaN);
  const text = textOrNull(Array.isArray(seconds) ? seconds[0] : seconds);
  const rough = text === null ? Number.NaN : /^\s*\d+(\.\d+)?\s*$/.test(text) ? Number(text) * 1000 : untilDate(text);
  return bounded(Number.isFinite(exact) ? exact : rough);
}

function bounded(waitMs: number | null): number | null {
  if (waitMs === null || !Number.isFinite(waitMs)) return null;
  return Math.min(Math.max(Math.round(waitMs), 0), MAX_RETRY_AFTER_MS);
}

function untilDate(text: string): number {
  // Date.parse reads nearly anything as a year; a date of HTTP names its day and month.
  return /[a-z]{3}/i.test(text) ? Date.parse(text) - Date.now() : Number.NaN;
}

function providerWords(text: string, redact: Redact): Error {
  return new Error(redact(text.slice(0, MAX_CAUSE_CHARS)));
}
