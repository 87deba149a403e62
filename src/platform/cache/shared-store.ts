/** Resolves to the store that the settings choose; null without Redis. */
export const SHARED_STORE = Symbol('SHARED_STORE');

export interface SharedValue {
  readonly value: object;
  readonly remainingMs: number;
}

/**
 * The cache that instances share. It may lose everything at any time and be unavailable for long; then it soon answers as
 * if it were empty. Its methods never throw.
 */
export interface SharedStore {
  get(key: string): Promise<SharedValue | null>;
  set(key: string, value: object, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}
