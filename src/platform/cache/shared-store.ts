/** Resolves to the store that the config chooses; null without Redis. */
export const SHARED_STORE = Symbol('SHARED_STORE');

export interface SharedValue {
  readonly value: object;
  readonly remainingMs: number;
}

/**
 * What instances share of what they keep. It may lose everything at any moment and be away for long: then it answers like
 * an empty one, soon. Nothing here throws.
 */
export interface SharedStore {
  get(key: string): Promise<SharedValue | null>;
  set(key: string, value: object, ttlMs: number): Promise<void>;
  delete(key: string): Promise<void>;
}
