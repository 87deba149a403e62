import { readFileSync } from 'node:fs';

interface Schema {
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly format?: string;
  readonly default?: unknown;
  readonly enum?: unknown[];
  readonly oneOf?: Schema[];
  readonly anyOf?: Schema[];
  readonly items?: Schema;
  readonly properties?: Record<string, Schema>;
  readonly required?: string[];
  readonly example?: unknown;
  readonly discriminator?: { propertyName: string; mapping: Record<string, string> };
}

type Content = Record<string, { schema: Schema; example?: unknown }>;

interface Operation {
  readonly operationId: string;
  readonly tags: string[];
  readonly parameters: { name: string; in: string; description?: string; schema: Schema }[];
  readonly requestBody?: { required?: boolean; content: Content };
  readonly responses: Record<string, { headers?: Record<string, object>; content?: Content }>;
}

interface Document {
  readonly tags: { name: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, Schema>; securitySchemes: Record<string, { scheme?: string }> };
}

const document = JSON.parse(readFileSync(new URL('../../openapi.json', import.meta.url), 'utf8')) as Document;
const { schemas } = document.components;
const operations = Object.values(document.paths).flatMap((methods) => Object.entries(methods));
const nameOf = ($ref: string): string => $ref.split('/').at(-1) as string;
const resolved = (schema: Schema): Schema =>
  schema.$ref === undefined ? schema : (schemas[nameOf(schema.$ref)] as Schema);

/** Every schema that can be reached from these, with its place. A schema with a name is visited once. */
function reach(roots: readonly (readonly [string, Schema])[]): (readonly [string, Schema])[] {
  const found: (readonly [string, Schema])[] = [];
  const seen = new Set<string>();
  const visit = (place: string, schema: Schema): void => {
    found.push([place, schema]);
    if (schema.$ref !== undefined && !seen.has(schema.$ref)) {
      seen.add(schema.$ref);
      visit(nameOf(schema.$ref), resolved(schema));
    }
    for (const part of [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])]) visit(place, part);
    if (schema.items !== undefined) visit(`${place}[]`, schema.items);
    for (const [name, property] of Object.entries(schema.properties ?? {})) visit(`${place}.${name}`, property);
  };
  for (const [place, schema] of roots) visit(place, schema);
  return found;
}

const mediaOf = (content: Content = {}): Schema[] => Object.values(content).map(({ schema }) => schema);
const inRequests = reach(
  operations.flatMap(([, { operationId, requestBody, parameters }]) => [
    ...mediaOf(requestBody?.content).map((schema) => [operationId, schema] as const),
    ...parameters.map(({ name, schema }) => [`${operationId}?${name}`, schema] as const),
  ]),
);
const inResponses = reach(
  operations.flatMap(([, { operationId, responses }]) =>
    Object.values(responses).flatMap(({ content }) => mediaOf(content).map((schema) => [operationId, schema] as const)),
  ),
);
const everywhere = [...inRequests, ...inResponses];
const places = (found: readonly (readonly [string, Schema])[]): string[] => [...new Set(found.map(([place]) => place))];
const bodyOf = ({ requestBody }: Operation): string | undefined =>
  requestBody === undefined ? undefined : nameOf(mediaOf(requestBody.content)[0]?.$ref ?? '');

describe('a request of the OpenAPI document', () => {
  it('has no defaults, which generated clients would send or require', () => {
    expect(places(inRequests.filter(([, schema]) => 'default' in schema))).toEqual([]);
  });

  it('is named after its own operation, or after no operation', () => {
    const ids = new Map(operations.map(([, operation]) => [operation.operationId, operation]));
    const strangers = Object.keys(schemas).filter((name) => {
      const owner = ids.get(name.replace(/Request$/, '').replace(/^./, (first) => first.toLowerCase()));
      return name.endsWith('Request') && owner !== undefined && bodyOf(owner) !== name;
    });
    expect(strangers).toEqual([]);
  });

  it('requires its body, except for regenerating an answer', () => {
    const optional = operations.filter(
      ([, { requestBody }]) => requestBody !== undefined && requestBody.required !== true,
    );
    expect(optional.map(([, { operationId }]) => operationId)).toEqual(['regenerateMessage', 'streamRegeneration']);
  });

  it('says what each of its parameters is', () => {
    const silent = operations.flatMap(([, { operationId, parameters }]) =>
      parameters.filter(({ description = '' }) => description === '').map(({ name }) => `${operationId}?${name}`),
    );
    expect(silent).toEqual([]);
  });

  it('has an example with every field that it needs', () => {
    for (const [, { operationId, requestBody }] of operations) {
      for (const { schema, example } of Object.values(requestBody?.content ?? {})) {
        const { required = [], properties = {} } = resolved(schema);
        const given = Object.keys(example ?? {});
        expect({ operationId, given, isEmpty: given.length === 0 }).toEqual({
          operationId,
          given: expect.arrayContaining(required) as string[],
          isEmpty: false,
        });
        expect({ operationId, unknown: given.filter((name) => !(name in properties)) }).toEqual({
          operationId,
          unknown: [],
        });
      }
    }
  });
});

describe('a schema of the OpenAPI document', () => {
  it('is never named New plus another schema', () => {
    expect(Object.keys(schemas).filter((name) => name.slice(3) in schemas && name.startsWith('New'))).toEqual([]);
  });

  it('has a name if it is a union, and a discriminator if it is a union of objects', () => {
    const isNull = ({ type }: Schema): boolean => type === 'null';
    const unions = everywhere.filter(([, { oneOf, anyOf }]) => (oneOf ?? anyOf ?? []).some((part) => !isNull(part)));
    const anonymous = unions.filter(([place, { oneOf, anyOf }]) => {
      const others = (oneOf ?? anyOf ?? []).filter((part) => !isNull(part));
      return others.length > 1 && !(place in schemas);
    });
    expect(places(anonymous)).toEqual([]);
    const ofObjects = Object.entries(schemas).filter(([, { oneOf }]) => oneOf !== undefined);
    expect(ofObjects.map(([name]) => name).sort()).toEqual(['ContentPart', 'TurnEvent']);
    for (const [name, { oneOf = [], discriminator }] of ofObjects) {
      const { propertyName = '', mapping = {} } = discriminator ?? {};
      expect({ name, variants: Object.values(mapping) }).toEqual({ name, variants: oneOf.map(({ $ref }) => $ref) });
      for (const [value, $ref] of Object.entries(mapping)) {
        const { properties, required } = resolved({ $ref });
        expect({ $ref, values: properties?.[propertyName]?.enum, required }).toEqual({
          $ref,
          values: [value],
          required: expect.arrayContaining([propertyName]) as string[],
        });
      }
    }
  });

  it('states the width of its integers: 64 bits for money, tokens and counters', () => {
    const numbers = everywhere.filter(([, { type }]) => [type].flat().includes('integer'));
    expect(places(numbers.filter(([, { format }]) => format !== 'int32' && format !== 'int64'))).toEqual([]);
    const large = /micro_usd$|\w_tokens$|^tokens|requests_per|^calls|^turns|^seq$|_seq$|^seed$|context_window/;
    const narrow = numbers.filter(
      ([place, { format }]) => large.test(place.split('.').at(-1) ?? '') && format !== 'int64',
    );
    expect(places(narrow)).toEqual([]);
  });

  it('allows any text where an enumeration of a response may get more values', () => {
    const closed = inResponses.filter(([place, { enum: values = [] }]) => values.length > 1 && !(place in schemas));
    expect(places(closed)).toEqual([]);
    const named = Object.entries(schemas).filter(([, { anyOf }]) => anyOf?.some((part) => part.enum !== undefined));
    for (const [name, { anyOf = [] }] of named) {
      const [known, any] = anyOf;
      expect({ name, kinds: [known?.type, any] }).toEqual({ name, kinds: ['string', { type: 'string' }] });
    }
    const names = named.map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(['MessageStatus', 'FinishReason', 'ProviderName', 'ErrorCode']));
  });

  it('of a message has its text and its parts', () => {
    const { Message, SendMessageRequest, StreamMessageRequest } = schemas as Record<string, Schema>;
    expect(Message?.required).toEqual(expect.arrayContaining(['text', 'parts']));
    expect(Message?.properties?.text?.type).toBe('string');
    for (const schema of [Message, SendMessageRequest, StreamMessageRequest]) {
      expect(schema?.properties?.parts?.items).toEqual({ $ref: '#/components/schemas/ContentPart' });
    }
    for (const schema of [SendMessageRequest, StreamMessageRequest]) {
      expect(schema?.properties?.message?.type).toBe('string');
    }
  });
});

describe('an operation of the OpenAPI document', () => {
  it('answers in one media type, and describes the body of each success that has one', () => {
    for (const [, { operationId, responses }] of operations) {
      const successes = Object.entries(responses).filter(([status]) => status.startsWith('2'));
      const types = new Set(successes.flatMap(([, { content = {} }]) => Object.keys(content)));
      expect({ operationId, count: types.size <= 1 }).toEqual({ operationId, count: true });
      const bare = successes.filter(([status, { content }]) => content === undefined && status !== '204');
      // A mail is on its way: there is nothing to say.
      const isMail = ['forgotPassword', 'requestEmailVerification'].includes(operationId);
      expect({ operationId, bare: bare.map(([status]) => status) }).toEqual({
        operationId,
        bare: isMail ? ['202'] : [],
      });
    }
  });

  it('streams if its name says so', () => {
    const streams = operations.filter(([, { responses }]) => 'text/event-stream' in (responses['200']?.content ?? {}));
    expect(streams.map(([, { operationId }]) => operationId).sort()).toEqual([
      'followMessage',
      'streamMessage',
      'streamRegeneration',
    ]);
    for (const [, { responses }] of streams) {
      expect(mediaOf(responses['200']?.content)).toEqual([{ $ref: '#/components/schemas/TurnEvent' }]);
    }
  });

  it('declares the headers of its responses', () => {
    const versioned = ['Project', 'Prompt', 'ChatSession'];
    for (const [method, { operationId, responses, parameters }] of operations) {
      const isRepeatable = parameters.some(({ name }) => name === 'Idempotency-Key');
      for (const [status, { headers = {}, content }] of Object.entries(responses)) {
        const isSuccess = status.startsWith('2');
        const isTurn = content?.['application/json']?.schema.$ref?.endsWith('/Turn') === true;
        const wanted = {
          'X-Request-Id': true,
          Location: status === '201' || (status === '202' && isTurn),
          ETag: isSuccess && versioned.some((name) => mediaOf(content)[0]?.$ref?.endsWith(`/${name}`) === true),
          'Idempotent-Replayed': isSuccess && isRepeatable,
          RateLimit: '429' in responses && (isSuccess || status === '429'),
          'RateLimit-Policy': '429' in responses && (isSuccess || status === '429'),
          'Retry-After': ['409', '429', '503', 'default'].includes(status),
          'WWW-Authenticate': status === '401',
        };
        const declared = Object.fromEntries(Object.keys(wanted).map((name) => [name, name in headers]));
        expect({ method, operationId, status, declared }).toEqual({ method, operationId, status, declared: wanted });
      }
    }
  });
});

describe('the OpenAPI document', () => {
  it('begins with what a newcomer needs, and ends with the admin operations', () => {
    const names = document.tags.map(({ name }) => name);
    expect(names).toEqual(['Auth', 'Users', 'Projects', 'Prompts', 'Chat', 'Usage', 'Llm', 'Health', 'Admin']);
  });

  it('has one security scheme: a bearer token', () => {
    expect(Object.entries(document.components.securitySchemes).map(([name, { scheme }]) => [name, scheme])).toEqual([
      ['bearer', 'bearer'],
    ]);
  });
});
