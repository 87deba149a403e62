const PLENTY = 1_000_000_000;

/** What the OpenAPI document says of the routes, so that a new route is attacked without a word. */
export class Contract {
  constructor(document) {
    this.document = document;
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => this.#read(method.toUpperCase(), path, operation)),
    );
  }

  #read(method, path, operation) {
    const { parameters = [], requestBody, security } = operation;
    const body = requestBody?.content['application/json']?.schema;
    const names = (place) => parameters.filter((parameter) => parameter.in === place);
    return {
      method,
      path,
      name: `${method} ${path}`,
      isPublic: security?.length === 0,
      scopes: operation['x-scopes'] ?? [],
      isStream: JSON.stringify(operation.responses['200'] ?? {}).includes('text/event-stream'),
      query: names('query'),
      headers: names('header'),
      pathIds: names('path').map(({ name }) => name),
      body: body === undefined ? null : this.resolve(body),
      takesForm: requestBody?.content['application/x-www-form-urlencoded'] !== undefined,
      responses: operation.responses,
    };
  }

  /** A schema without references and without `allOf`. */
  resolve(schema) {
    if (schema.$ref !== undefined) return this.resolve(this.document.components.schemas[schema.$ref.split('/').at(-1)]);
    if (schema.allOf === undefined) return schema;
    const parts = schema.allOf.map((part) => this.resolve(part));
    return {
      type: 'object',
      properties: Object.assign({}, ...parts.map(({ properties }) => properties), schema.properties),
      required: parts.flatMap(({ required = [] }) => required),
    };
  }

  /** A value that the schema takes. */
  sample(given, name = '') {
    const schema = this.resolve(given);
    const [first] = schema.oneOf ?? schema.anyOf ?? [];
    if (first !== undefined) return this.sample(first, name);
    if (schema.enum !== undefined) return schema.enum[0];
    const type = [schema.type].flat()[0];
    if (type === 'object') return this.#sampleObject(schema);
    if (type === 'array') return schema.minItems === 0 ? [] : [this.sample(schema.items, name)];
    // As much as may be: an attacker that gives himself small budgets gets no further.
    if (type === 'integer' || type === 'number') return Math.min(schema.maximum ?? PLENTY, PLENTY);
    if (type === 'boolean') return false;
    if (schema.format === 'email') return 'somebody@example.com';
    if (schema.format === 'uuid') return '00000000-0000-7000-8000-000000000000';
    if (schema.format === 'date-time') return '2100-01-01T00:00:00Z';
    return /password/.test(name) ? 'correct horse battery' : 'x'.repeat(Math.max(1, schema.minLength ?? 1));
  }

  #sampleObject({ properties = {}, required = [] }) {
    // A turn needs its message or parts, which no list of required fields can say.
    const needed = 'message' in properties && 'parts' in properties ? [...required, 'message'] : required;
    return Object.fromEntries(needed.map((name) => [name, this.sample(properties[name], name)]));
  }

  /** Every place of a body where a text may stand, as a list of names; numbers stand for the places of lists. */
  texts(given, at = []) {
    const schema = this.resolve(given);
    const variants = schema.oneOf ?? schema.anyOf;
    if (variants !== undefined) return variants.flatMap((variant) => this.texts(variant, at));
    const types = [schema.type].flat();
    if (types.includes('string')) return [at];
    if (types.includes('array')) return this.texts(schema.items, [...at, 0]);
    if (!types.includes('object')) return [];
    const inside = Object.entries(schema.properties ?? {}).flatMap(([name, part]) => this.texts(part, [...at, name]));
    return schema.additionalProperties === true ? [...inside, [...at, 'anything']] : inside;
  }

  /** The names of all ids that an operation takes, apart from those in its path. */
  idsBeside({ query, body }) {
    const names = [...query.map(({ name }) => name), ...Object.keys(body?.properties ?? {})];
    return names.filter((name) => /(^|_)ids?$/.test(name) && name !== 'client_id');
  }
}

/** The body with another value at one place; what stands on the way there is made. */
export function withValueAt(body, [name, ...rest], value) {
  const copy = Array.isArray(body) ? [...body] : { ...body };
  const inner = copy[name];
  const isObject = typeof inner === 'object' && inner !== null;
  copy[name] =
    rest.length === 0 ? value : withValueAt(isObject ? inner : typeof rest[0] === 'number' ? [] : {}, rest, value);
  return copy;
}

export function valueAt(body, place) {
  return place.reduce((value, name) => value?.[name], body);
}

/** The path with its ids; what has none in `ids` stays as it is. */
export function pathWith(path, ids, encode = encodeURIComponent) {
  return path.replace(/\{(\w+)\}/g, (whole, name) => (name in ids ? encode(ids[name]) : whole));
}

/** A query string, or nothing. */
export function queryOf(values) {
  const text = new URLSearchParams(values).toString();
  return text === '' ? '' : `?${text}`;
}
