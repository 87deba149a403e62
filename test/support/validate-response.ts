import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import ajvFormats, { type FormatsPlugin } from 'ajv-formats';
import type { Response } from 'supertest';
import { parseEvents } from './read-events.js';

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | string[];
  readonly properties?: Record<string, Schema>;
  readonly example?: unknown;
  readonly allOf?: Schema[];
  readonly [keyword: string]: unknown;
}

export interface Operation {
  readonly operationId: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: string[];
  readonly security?: unknown[];
  readonly parameters?: { name: string; in: string; required?: boolean; schema: Schema }[];
  readonly requestBody?: { content: Record<string, { schema: Schema; example?: unknown }> };
  readonly responses: Record<string, { content?: Record<string, { schema: Schema }> }>;
}

export interface OpenApi {
  readonly openapi: string;
  readonly tags: { name: string; description?: string }[];
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}

/** Every operation of a document, as `METHOD /path/:id`, like in the route table. */
export function operationsOf({ paths }: OpenApi): { route: string; operation: Operation }[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      route: `${method.toUpperCase()} ${path.replace(/\{(\w+)\}/g, ':$1')}`,
      operation,
    })),
  );
}

/** Validates responses against the OpenAPI document. Undocumented fields are errors, like missing ones. */
export class ResponseValidator {
  /** `operationId status` of all validated responses. */
  readonly seen = new Set<string>();
  private readonly ajv = new Ajv2020({ allErrors: true, strictTypes: false, allowUnionTypes: true });
  private readonly compiled = new Map<string, ValidateFunction>();

  constructor(private readonly document: OpenApi) {
    (ajvFormats as unknown as FormatsPlugin)(this.ajv);
    this.ajv.addVocabulary(['example', 'discriminator', 'components']);
    this.ajv.addSchema({ $id: 'openapi', components: closed(document.components) as object });
  }

  /** Fails the test when the document does not describe the response. */
  check(response: Response): void {
    const { method, url } = (response as unknown as { request: { method: string; url: string } }).request;
    const path = new URL(url, 'http://localhost').pathname;
    const operation = this.operationAt(method, path);
    const { status } = response;
    const described = operation.responses[String(status)] ?? operation.responses.default;
    this.seen.add(`${operation.operationId} ${status}`);
    const type = response.headers['content-type']?.split(';', 1)[0] as string | undefined;
    const at = `${method} ${path} ${status}`;
    if (described?.content === undefined) {
      expect({ at, described: described !== undefined, type, body: response.text }).toEqual({
        at,
        described: true,
        type: undefined,
        body: '',
      });
      return;
    }
    const media = described.content[type ?? ''];
    expect({ at, type: media === undefined ? type : 'described' }).toEqual({ at, type: 'described' });
    const schema = (media as { schema: Schema }).schema;
    if (type === 'text/event-stream') {
      const text = typeof response.body === 'string' ? response.body : response.text;
      for (const { event, data } of parseEvents(text)) {
        expect({ at, type: data.type }).toEqual({ at, type: event });
        this.checkValue(at, schema, data);
      }
    } else if (type === 'application/x-ndjson') {
      for (const line of response.text.trimEnd().split('\n')) this.checkValue(at, schema, JSON.parse(line));
    } else this.checkValue(at, schema, JSON.parse(response.text));
  }

  /** The errors of a value, by a schema of the document. */
  problems(schema: Schema, value: unknown): unknown[] {
    const key = JSON.stringify(schema);
    let validate = this.compiled.get(key);
    if (validate === undefined) {
      validate = this.ajv.compile(relocated(closed(schema)) as object);
      this.compiled.set(key, validate);
    }
    validate(value);
    return (validate.errors ?? []).map(({ instancePath, message, params }) => ({ instancePath, message, params }));
  }

  private checkValue(at: string, schema: Schema, value: unknown): void {
    expect({ at, problems: this.problems(schema, value) }).toEqual({ at, problems: [] });
  }

  private operationAt(method: string, path: string): Operation {
    const match = Object.entries(this.document.paths)
      .filter(([template]) => new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path))
      // `…/prompts/order` goes before `…/prompts/{prompt_id}`.
      .sort(([a], [b]) => a.split('{').length - b.split('{').length)
      .map(([, methods]) => methods[method.toLowerCase()])
      .find((operation) => operation !== undefined);
    if (match === undefined) throw new Error(`the document has no ${method} ${path}`);
    return match;
  }
}

/** The same schema, but objects with named properties must not have others. */
function closed(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(closed);
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, closed(value)]));
  const isObject = typeof copy.properties === 'object' && copy.type === 'object';
  return isObject && copy.additionalProperties === undefined ? { ...copy, additionalProperties: false } : copy;
}

/** Makes references point into the document that the validator knows. */
function relocated(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(relocated);
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [
      key,
      key === '$ref' && typeof value === 'string' && value.startsWith('#/') ? `openapi${value}` : relocated(value),
    ]),
  );
}
