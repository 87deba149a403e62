/**
 * Signals that work must stop, and why. An `AbortSignal` is one. A function that needs no more than this also accepts a
 * `Canceller`, which costs a tenth as much.
 */
export interface Cancellation {
  readonly aborted: boolean;
  /** The reason of the abort; undefined until then. */
  readonly reason: unknown;
  /** Calls the listener once, when the abort happens; never if it has already happened. */
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
  /** Throws the reason if the abort has happened. */
  throwIfAborted(): void;
}

const NO_LISTENERS: readonly (() => void)[] = [];

/**
 * An `AbortController` and its signal in one object. For each such pair, Node.js creates two maps, a hidden class and an
 * object for the listener: about 1 KB, and each open stream had three pairs.
 */
export class Canceller implements Cancellation {
  aborted = false;
  reason: unknown = undefined;
  /** Replaced, not changed: usually there is one listener, and an array that grows in place reserves room for seventeen. */
  private listeners = NO_LISTENERS;

  /** Only the first call has an effect. Calls all listeners before it returns; they must not throw. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const { listeners } = this;
    this.listeners = NO_LISTENERS;
    for (const listener of listeners) listener();
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.aborted || this.listeners.includes(listener)) return;
    this.listeners = this.listeners.concat(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    if (!this.listeners.includes(listener)) return;
    this.listeners = this.listeners.length === 1 ? NO_LISTENERS : this.listeners.filter((other) => other !== listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }
}

/** An `AbortSignal` that follows the cancellation, for APIs that accept nothing else. It is kept until the work ends: use it rarely. */
export function toAbortSignal(cancellation: Cancellation): AbortSignal {
  if (cancellation instanceof AbortSignal) return cancellation;
  const controller = new AbortController();
  const follow = (): void => controller.abort(cancellation.reason);
  if (cancellation.aborted) follow();
  else cancellation.addEventListener('abort', follow, { once: true });
  return controller.signal;
}
