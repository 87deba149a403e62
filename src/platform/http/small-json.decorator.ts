import { registerDecorator } from 'class-validator';
import { AsGiven } from './as-given.decorator.js';
import { isStorable } from './storable-text.decorator.js';

const MAX_CHARS = 16 * 1024;
const MAX_DEPTH = 8;

/** Refuses JSON that is too large, too deep, or contains text that PostgreSQL cannot store. */
export function IsSmallJson(): PropertyDecorator {
  return (target, propertyName) => {
    AsGiven()(target, propertyName);
    registerDecorator({
      name: 'isSmallJson',
      target: target.constructor,
      propertyName: String(propertyName),
      validator: {
        validate: (value: unknown) =>
          value == null || (isStorableJson(value, MAX_DEPTH) && JSON.stringify(value).length <= MAX_CHARS),
        defaultMessage: () =>
          `must be JSON of at most ${MAX_CHARS} characters and ${MAX_DEPTH} levels, without NUL characters`,
      },
    });
  };
}

function isStorableJson(value: unknown, levels: number): boolean {
  if (typeof value === 'string') return isStorable(value);
  if (typeof value !== 'object' || value === null) return true;
  return (
    levels > 0 && Object.entries(value).every(([name, item]) => isStorable(name) && isStorableJson(item, levels - 1))
  );
}
