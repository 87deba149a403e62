import { isJsonObject, type JsonObject, parseJson, textOrNull } from './json-fields.js';

/** What a provider says about its error, in any of the shapes in use. */
export interface ErrorWords {
  /** Codes, types, statuses and reasons by name, lower case. */
  readonly names: readonly string[];
  /** All sentences, one a line. */
  readonly message: string;
  /** Fields of the request that the error points to, such as `max_tokens` or `messages[0].role`. */
  readonly fields: readonly string[];
  readonly isModeration: boolean;
  /** How long the provider asks to wait, where its body says so. */
  readonly retryAfterMs: number | null;
}

const NAME_FIELDS = ['code', 'type', 'status', 'reason', 'error_code', '__type'];
const MESSAGE_FIELDS = ['message', 'msg', 'detail', 'error', 'error_msg', 'error_message', 'errorMessage', 'raw'];
const NESTED_FIELDS = ['errors', 'details', 'metadata', 'innererror', 'response'];
const MAX_DEPTH = 6;
const MAX_ELEMENTS = 10;
/** The words of a stranger; what follows does not change a verdict. */
const MAX_MESSAGE_CHARS = 8000;

const WAIT = ['try again in ', 'try again after ', 'retry in ', 'retry after '];
/** `6m0.5s`, `20 seconds`: one amount with its unit after the other. */
const AMOUNT =
  /(\d{1,9}(?:\.\d{1,9})?) ?(milliseconds?|ms|minutes?|mins?|m|seconds?|secs?|s|hours?|hrs?|h)(?![a-z]) ?/y;
const MAX_WAIT_CHARS = 60;

/** The error that a chunk or a whole body is, though its status said otherwise; undefined when it is none. */
export function errorIn(chunk: JsonObject): unknown {
  const { error } = chunk;
  if (error != null && error !== false && error !== '') return error;
  if (Array.isArray(chunk.choices)) return undefined;
  const isNamed = chunk.code != null || chunk.type != null || chunk.status != null;
  const isError =
    chunk.object === 'error' ||
    (typeof chunk.message === 'string' && isNamed) ||
    chunk.detail != null ||
    Array.isArray(chunk.errors) ||
    chunk.error_msg != null;
  return isError ? chunk : undefined;
}

export function errorWords(error: unknown): ErrorWords {
  const found = new Found();
  collect(error, 0, found);
  const message = found.messages.join('\n').slice(0, MAX_MESSAGE_CHARS);
  const { names, fields, isModeration } = found;
  return { names, message, fields, isModeration, retryAfterMs: found.retryAfterMs ?? waitIn(message) };
}

class Found {
  readonly names: string[] = [];
  readonly messages: string[] = [];
  readonly fields: string[] = [];
  isModeration = false;
  retryAfterMs: number | null = null;
}

function collect(value: unknown, depth: number, found: Found): void {
  if (depth > MAX_DEPTH) return;
  if (typeof value === 'string') collectText(value, depth, found);
  else if (Array.isArray(value)) value.slice(0, MAX_ELEMENTS).forEach((element) => collect(element, depth + 1, found));
  else if (isJsonObject(value)) collectObject(value, depth, found);
}

/** Gateways put the body of the error behind them into a text of their own. */
function collectText(text: string, depth: number, found: Found): void {
  const inner = /^\s*[[{]/.test(text) ? parseJson(text) : undefined;
  if (typeof inner === 'object') collect(inner, depth + 1, found);
  else if (text !== '') found.messages.push(text);
}

function collectObject(value: JsonObject, depth: number, found: Found): void {
  for (const field of NAME_FIELDS) {
    const name = textOrNull(value[field]);
    if (name !== null) found.names.push(name.toLowerCase());
  }
  const param = textOrNull(value.param);
  if (param !== null) found.fields.push(param);
  if (Array.isArray(value.loc)) found.fields.push(...value.loc.filter((step) => typeof step === 'string'));
  if (Array.isArray(value.reasons) || 'flagged_input' in value) found.isModeration = true;
  found.retryAfterMs ??= waitOf(value);
  for (const field of [...MESSAGE_FIELDS, ...NESTED_FIELDS]) collect(value[field], depth + 1, found);
}

function waitOf({ retryDelay, retry_after_ms: milliseconds, retry_after: seconds }: JsonObject): number | null {
  if (typeof retryDelay === 'string') return durationOf(retryDelay);
  if (typeof milliseconds === 'number') return milliseconds;
  return typeof seconds === 'number' ? seconds * 1000 : null;
}

/** "Please try again in 6m0.5s", "retry after 20 seconds". */
function waitIn(message: string): number | null {
  const text = message.toLowerCase();
  for (const words of WAIT) {
    const at = text.indexOf(words);
    if (at !== -1) return durationOf(text.slice(at + words.length, at + words.length + MAX_WAIT_CHARS));
  }
  return null;
}

function durationOf(text: string): number | null {
  let sum: number | null = null;
  AMOUNT.lastIndex = 0;
  for (let match = AMOUNT.exec(text); match !== null; match = AMOUNT.exec(text)) {
    sum = (sum ?? 0) + Number(match[1]) * msOf(match[2] ?? '');
  }
  return sum;
}

function msOf(unit: string): number {
  if (unit.startsWith('ms') || unit.startsWith('milli')) return 1;
  if (unit.startsWith('s')) return 1000;
  return unit.startsWith('m') ? 60_000 : 3_600_000;
}
