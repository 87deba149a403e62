import type { OpenAPIObject } from '@nestjs/swagger';
import type { Scope } from '../../kernel/actor.js';
import { ERROR_CATALOGUE } from '../../kernel/errors/error-catalogue.js';
import { PROBLEM_CONTENT } from './api-problems.decorator.js';
import { SCOPES_EXTENSION } from './scope.decorator.js';

interface Schema {
  readonly $ref?: string;
  type?: unknown;
  enum?: unknown[];
  anyOf?: unknown[];
  allOf?: unknown[];
  description?: string;
  readonly example?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
}

interface MediaType {
  readonly schema: Schema;
  example?: unknown;
}

interface Response {
  description: string;
  headers?: Record<string, unknown>;
  readonly content?: unknown;
}

interface Operation {
  description?: string;
  readonly security?: readonly unknown[];
  readonly [SCOPES_EXTENSION]?: readonly Scope[];
  readonly requestBody?: { readonly content: Readonly<Record<string, MediaType>> };
  readonly parameters: unknown[];
  readonly responses: Record<string, Response>;
}

const text = { type: 'string' } as const;
const header = (description: string, schema: object = text): object => ({ description, schema });

const REQUEST_ID = {
  'X-Request-Id': header('The id of the request in the log of the server: the one that the client sent, or a new one.'),
};
const RATE_LIMIT = {
  RateLimit: header('What is left of each limit: `"name";r=remaining;t=seconds until it is full again`.'),
  'RateLimit-Policy': header('Each limit that applies: `"name";q=quota;w=window in seconds`.'),
};
const RETRY_AFTER = { 'Retry-After': header('Seconds to wait before a retry.', { type: 'integer', format: 'int32' }) };
const REPLAYED = { 'Idempotent-Replayed': header('`true`: the response repeats an earlier one with the same key.') };
const CHALLENGE = { 'WWW-Authenticate': header('The scheme of authentication: `Bearer`.') };

/** Descriptions of responses, for routes that give none. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  '200': 'The request has succeeded.',
  '201': 'The resource has been created.',
  '204': 'The request has succeeded. The response has no body.',
};

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header',
  required: false,
  description:
    'A new value for each intention, such as a UUID. Repeats of the request with the same key are done once and get the same response, for at least 24 hours.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};

/** Adds everything to the document that the platform does for every route, so that controllers need not repeat it. */
export function addCommonParts({ paths, components }: OpenAPIObject): void {
  const schemas = (components?.schemas ?? {}) as Record<string, Schema>;
  for (const schema of Object.values(schemas)) {
    openEnum(schema);
    for (const property of Object.values(schema.properties ?? {})) unwrap(property);
  }
  for (const operations of Object.values(paths)) {
    for (const [method, operation] of Object.entries(operations as Record<string, Operation>)) {
      addExample(operation, schemas);
      addErrors(operation);
      if (method !== 'get' && !isOpen(operation)) operation.parameters.push(IDEMPOTENCY_KEY);
      addHeaders(operation);
    }
  }
}

/** An open route needs no token. */
const isOpen = ({ security }: Operation): boolean => security?.length === 0;

/** A named enumeration in a response may get more values, so generated clients must accept any text. */
function openEnum(schema: Schema): void {
  if (schema.enum === undefined) return;
  schema.anyOf = [{ type: schema.type, enum: schema.enum.filter((value) => value !== null) }, { type: schema.type }];
  schema.description = 'More values may be added: treat an unknown one as such.';
  delete schema.type;
  delete schema.enum;
}

/** Replaces a list of one alternative by that alternative: OpenAPI 3.1 allows a description beside a reference. */
function unwrap(property: Schema): void {
  for (const keyword of ['allOf', 'anyOf'] as const) {
    const [only, ...others] = property[keyword] ?? [];
    if (only === undefined || others.length > 0) continue;
    delete property[keyword];
    Object.assign(property, only);
  }
}

/** Builds the example of a body from the examples of its fields. */
function addExample({ requestBody }: Operation, schemas: Readonly<Record<string, Schema>>): void {
  for (const media of Object.values(requestBody?.content ?? {})) {
    const properties = schemas[media.schema.$ref?.split('/').at(-1) ?? '']?.properties ?? {};
    const examples = Object.entries(properties).flatMap(([name, { example }]) =>
      example === undefined ? [] : [[name, example] as const],
    );
    media.example = Object.fromEntries(examples);
  }
}

function addErrors(operation: Operation): void {
  const { responses, [SCOPES_EXTENSION]: scopes } = operation;
  const content = PROBLEM_CONTENT;
  responses.default = { description: 'Any other error. Its `code` says which.', content };
  const access = accessOf(operation);
  operation.description = operation.description === undefined ? access : `${operation.description}\n\n${access}`;
  if (isOpen(operation)) return;
  const refusal = scopes === undefined ? 'sign_in_required' : 'insufficient_scope';
  responses['403'] ??= { description: `\`${refusal}\`: ${ERROR_CATALOGUE[refusal].title}.`, content };
  responses['401'] ??= { description: `\`unauthenticated\`: ${ERROR_CATALOGUE.unauthenticated.title}.`, content };
}

function accessOf(operation: Operation): string {
  const scopes = operation[SCOPES_EXTENSION];
  if (isOpen(operation)) return 'Access: no token is needed.';
  if (scopes === undefined) return 'Access: a sign-in. API keys are refused.';
  return `Access: a sign-in, or an API key with the scope ${scopes.map((scope) => `\`${scope}\``).join(' or ')}.`;
}

function addHeaders({ responses, parameters }: Operation): void {
  const isLimited = '429' in responses;
  const isRepeatable = parameters.includes(IDEMPOTENCY_KEY);
  for (const [status, response] of Object.entries(responses)) {
    const isSuccess = status.startsWith('2');
    if (response.description === '') response.description = DESCRIPTIONS[status] ?? '';
    response.headers = {
      ...response.headers,
      ...REQUEST_ID,
      ...(isLimited && (isSuccess || status === '429') ? RATE_LIMIT : {}),
      ...(isSuccess && isRepeatable ? REPLAYED : {}),
      ...(status === '401' ? CHALLENGE : {}),
      ...(['409', '429', '503', 'default'].includes(status) ? RETRY_AFTER : {}),
    };
  }
}
