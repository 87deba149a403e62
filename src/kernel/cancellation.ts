/**
 * Tells a piece of work to end, and why. An `AbortSignal` is one; whoever takes no more than this also takes a `Canceller`,
 * which costs a tenth of it.
 */
export interface Cancellation {
  readonly aborted: boolean;
  /** What it was aborted with; undefined until then. */
  readonly reason: unknown;
  /** Calls the listener once, when it is aborted; never when it is already. */
  addEventListener(type: 'abort', listener: () => void, options?: { readonly once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
  /** Throws the reason when it is aborted. */
  throwIfAborted(): void;
}

const NOBODY: readonly (() => void)[] = [];

/**
 * An `AbortController` and its signal in one object. Node.js makes of those two, for each pair, two maps, a hidden class and
 * a listener that is an object of its own: about 1 KB, where three of them were in each open stream.
 */
export class Canceller implements Cancellation {
  aborted = false;
  reason: unknown = undefined;
  /** Replaced, not changed: there is mostly one, and a list that grows in place has room for seventeen. */
  private listeners = NOBODY;

  /** Only the first call does anything. Calls all listeners before it returns; they must not throw. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    const { listeners } = this;
    this.listeners = NOBODY;
    for (const listener of listeners) listener();
  }

  addEventListener(_type: 'abort', listener: () => void): void {
    if (this.aborted || this.listeners.includes(listener)) return;
    this.listeners = this.listeners.concat(listener);
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    if (!this.listeners.includes(listener)) return;
    this.listeners = this.listeners.length === 1 ? NOBODY : this.listeners.filter((other) => other !== listener);
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason;
  }
}

/** An `AbortSignal` that follows it, for what takes nothing else. It is held until the work is over: for seldom work. */
export function toAbortSignal(cancellation: Cancellation): AbortSignal {
  if (cancellation instanceof AbortSignal) return cancellation;
  const controller = new AbortController();
  const follow = (): void => controller.abort(cancellation.reason);
  if (cancellation.aborted) follow();
  else cancellation.addEventListener('abort', follow, { once: true });
  return controller.signal;
}
