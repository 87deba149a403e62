import { registerDecorator } from 'class-validator';

/**
 * Limits the length of a text in Unicode code points, which PostgreSQL's length() counts too. class-validator's own rule does
 * not count variation selectors, so it accepts texts that a column then refuses.
 */
export function Length(min: number, max = Number.POSITIVE_INFINITY, { each = false } = {}): PropertyDecorator {
  const range = max === Number.POSITIVE_INFINITY ? `${min} characters or more` : `${min} to ${max} characters`;
  return (target, propertyName) =>
    registerDecorator({
      name: 'length',
      target: target.constructor,
      propertyName: String(propertyName),
      options: { each },
      validator: {
        validate: (value: unknown) => typeof value === 'string' && isWithin(value, min, max),
        defaultMessage: () => `must have ${range}`,
      },
    });
}

function isWithin(text: string, min: number, max: number): boolean {
  // A code point has one or two units, so only texts near a limit must be counted.
  if (text.length < min || text.length > 2 * max) return false;
  let count = 0;
  for (const _ of text) count += 1;
  return count >= min && count <= max;
}
