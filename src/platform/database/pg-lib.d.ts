/** pg exports this file, but has no types for it. */
declare module 'pg/lib/utils.js' {
  /** A value in the form that the protocol takes: text, bytes or null. Objects become JSON, arrays become PostgreSQL arrays. */
  export function prepareValue(value: unknown): string | Buffer | null;
}
