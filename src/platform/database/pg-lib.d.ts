/** pg has no types for this file, which it exports. */
declare module 'pg/lib/utils.js' {
  /** A value as the protocol takes it: text, bytes or null. Objects become JSON, arrays those of PostgreSQL. */
  export function prepareValue(value: unknown): string | Buffer | null;
}
