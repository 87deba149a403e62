import { IsUrl, ValidateBy } from 'class-validator';

/** The longest delay of a timer in Node.js; it fires a longer one at once. */
const MAX_TIMER_MS = 2_147_483_647;

/** A whole number from `min` to `max`, both included. */
export const IsWhole = (min: number, max: number = Number.MAX_SAFE_INTEGER): PropertyDecorator =>
  ValidateBy({
    name: 'isWhole',
    validator: {
      validate: (value) => Number.isSafeInteger(value) && value >= min && value <= max,
      defaultMessage: () =>
        max === Number.MAX_SAFE_INTEGER
          ? `must be a whole number, at least ${min}`
          : `must be a whole number from ${min} to ${max}`,
    },
  });

/** A whole number of milliseconds that a timer can take. */
export const IsMilliseconds = (min: number, max: number = MAX_TIMER_MS): PropertyDecorator => IsWhole(min, max);

/** A URL with one of the given schemes; host names without a dot are allowed. */
export const IsAddress = (...protocols: string[]): PropertyDecorator =>
  IsUrl(
    { require_tld: false, require_protocol: true, protocols },
    { message: `must be an address that starts with ${protocols.map((name) => `${name}://`).join(' or ')}` },
  );
