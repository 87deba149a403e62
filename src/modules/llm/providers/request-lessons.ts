import type { ErrorWords } from './error-words.js';
import { hasPhrase } from './phrases.js';

/** What a server has refused in a request and can do without: a field by its name, or a role of messages. */
export type Lesson = string;

/** Fields that may be written otherwise or left out. */
const FIELDS = [
  'max_tokens',
  'max_completion_tokens',
  'temperature',
  'top_p',
  'presence_penalty',
  'frequency_penalty',
  'seed',
  'stop',
  'stream_options',
];
/** Common words of English, so they count between quotation marks only. */
const QUOTED_ONLY = ['stop', 'seed'];
const UNSUPPORTED_NAMES = ['unsupported_parameter', 'unsupported_value', 'unknown_parameter', 'extra_forbidden'];
const NOT_SUPPORTED = ['unsupported', 'not supported', 'not be supported', 'not support', 'only user'];
const UNSUPPORTED = [
  ...NOT_SUPPORTED,
  'not currently support',
  'not permitted',
  'not allowed',
  'not recognized',
  'not recognised',
  'not enabled',
  'unrecognized',
  'unrecognised',
  'unknown',
  'unexpected',
  'extra fields',
  'cannot both',
  'deprecated',
  'instead',
];
const ROLES = [
  'role … system',
  'role … developer',
  'system role',
  'developer role',
  'system message',
  'developer message',
  'system prompt',
  'developer prompt',
  'system instruction',
  'developer instruction',
  'only user and assistant',
  'only user, assistant',
];
const ROLE_FIELD = /^messages?\W{0,3}\d{1,4}\W{0,3}role$/;

/**
 * What the words of a refusal teach about the requests that the server takes; empty when they teach nothing. A model that
 * wants system messages under the role `developer` says so by naming it. A server that failed must be plainer than one that
 * refused, as an unknown or unexpected thing may be anything there.
 */
export function lessonsIn(status: number, { names, message, fields }: ErrorWords): readonly Lesson[] {
  const text = message.toLowerCase();
  const isUnsupported =
    hasPhrase(text, status < 500 ? UNSUPPORTED : NOT_SUPPORTED) ||
    names.some((name) => UNSUPPORTED_NAMES.includes(name));
  if (!isUnsupported) return [];
  if (hasPhrase(text, ROLES) || fields.some((field) => ROLE_FIELD.test(field))) {
    const wantsDeveloper = text.includes('developer') && text.includes('system');
    return wantsDeveloper ? ['system'] : ['system', 'developer'];
  }
  const pointedTo = FIELDS.filter((field) => fields.includes(field));
  return pointedTo.length > 0 ? pointedTo : FIELDS.filter((field) => isNamed(field, text)).slice(0, 1);
}

function isNamed(field: string, text: string): boolean {
  if ([`'${field}'`, `"${field}"`, `\`${field}\``].some((quoted) => text.includes(quoted))) return true;
  return !QUOTED_ONLY.includes(field) && text.includes(field);
}
