import { registerDecorator } from 'class-validator';
import { isStorable } from './storable-text.decorator.js';

const MAX_CHARS = 16 * 1024;
const MAX_DEPTH = 8;

/** Refuses JSON that is large, deep, or has text that PostgreSQL can not store. */
export function IsSmallJson(): PropertyDecorator {
  return (target, propertyName) =>
    registerDecorator({
      name: 'isSmallJson',
      target: target.constructor,
      propertyName: propertyName as string,
      validator: {
        validate: (value: unknown) =>
          value == null || (depthOf(value, MAX_DEPTH) && isStorableJson(JSON.stringify(value))),
        defaultMessage: () =>
          `must be JSON of at most ${MAX_CHARS} characters and ${MAX_DEPTH} levels, without NUL characters`,
      },
    });
}

function isStorableJson(json: string): boolean {
  // JSON.stringify writes NUL and lone surrogates as escapes, which jsonb refuses as well.
  return json.length <= MAX_CHARS && isStorable(json) && !/\\u(0000|d[89a-f])/i.test(json);
}

function depthOf(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return left > 0 && Object.values(value).every((item) => depthOf(item, left - 1));
}
