import type { ErrorWords } from './error-words.js';

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
const UNSUPPORTED =
  /unsupported|not (?:be )?(?:supported|permitted|allowed|recogni[sz]ed|enabled)|not (?:currently )?support|unrecogni[sz]ed|unknown|unexpected|extra (?:inputs|fields)|cannot both|deprecated|instead/i;
const ROLES =
  /\brole\b[^]{0,200}\b(?:system|developer)\b|\b(?:system|developer)\b[^]{0,200}\brole|(?:system|developer) (?:role|message|prompt|instruction)s?\b|only user(?: and|,) assistant/i;
const ROLE_FIELD = /^messages?\W*\d+\W*role$/;

/**
 * What the words of a refusal teach about the requests that the server takes; empty when they teach nothing. A model that
 * wants system messages under the role `developer` says so by naming it.
 */
export function lessonsIn({ names, message, fields }: ErrorWords): readonly Lesson[] {
  const isUnsupported = UNSUPPORTED.test(message) || names.some((name) => UNSUPPORTED_NAMES.includes(name));
  if (!isUnsupported) return [];
  if (ROLES.test(message) || fields.some((field) => ROLE_FIELD.test(field))) {
    const wantsDeveloper = /\bdeveloper\b/i.test(message) && /\bsystem\b/i.test(message);
    return wantsDeveloper ? ['system'] : ['system', 'developer'];
  }
  const pointedTo = FIELDS.filter((field) => fields.includes(field));
  return pointedTo.length > 0 ? pointedTo : FIELDS.filter((field) => isNamed(field, message)).slice(0, 1);
}

function isNamed(field: string, message: string): boolean {
  if ([`'${field}'`, `"${field}"`, `\`${field}\``].some((quoted) => message.includes(quoted))) return true;
  return !QUOTED_ONLY.includes(field) && new RegExp(`\\b${field}\\b`).test(message);
}
