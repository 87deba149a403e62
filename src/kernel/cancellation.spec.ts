import { Canceller, toAbortSignal } from './cancellation.js';

describe('Canceller', () => {
  it('calls each listener once, with the reason there already', () => {
    const canceller = new Canceller();
    const seen: unknown[] = [];
    const listener = (): number => seen.push(canceller.reason);
    canceller.addEventListener('abort', listener);
    canceller.addEventListener('abort', listener);
    canceller.addEventListener('abort', () => seen.push('other'));
    expect(seen).toEqual([]);
    canceller.abort('first');
    canceller.abort('second');
    expect(seen).toEqual(['first', 'other']);
    expect(canceller).toMatchObject({ aborted: true, reason: 'first' });
  });

  it('does not call who was removed, or came too late, and calls the others', () => {
    const canceller = new Canceller();
    const seen: string[] = [];
    const [gone, stays] = [(): number => seen.push('gone'), (): number => seen.push('stays')];
    canceller.addEventListener('abort', gone);
    canceller.addEventListener('abort', stays);
    canceller.removeEventListener('abort', gone);
    canceller.removeEventListener('abort', gone);
    canceller.abort('now');
    canceller.addEventListener('abort', gone);
    expect(seen).toEqual(['stays']);
  });

  it('calls all that were there, also when one of them takes itself or another away', () => {
    const canceller = new Canceller();
    const seen: string[] = [];
    const second = (): number => seen.push('second');
    canceller.addEventListener('abort', () => canceller.removeEventListener('abort', second));
    canceller.addEventListener('abort', second);
    canceller.abort('now');
    expect(seen).toEqual(['second']);
  });

  it('throws its reason once it is aborted', () => {
    const canceller = new Canceller();
    expect(() => canceller.throwIfAborted()).not.toThrow();
    const reason = new Error('stopped');
    canceller.abort(reason);
    expect(() => canceller.throwIfAborted()).toThrow(reason);
  });
});

describe('toAbortSignal', () => {
  it('follows, with the reason', () => {
    const canceller = new Canceller();
    const early = toAbortSignal(canceller);
    expect(early.aborted).toBe(false);
    canceller.abort('why');
    expect(early).toMatchObject({ aborted: true, reason: 'why' });
    expect(toAbortSignal(canceller)).toMatchObject({ aborted: true, reason: 'why' });
  });

  it('gives back what is one', () => {
    const { signal } = new AbortController();
    expect(toAbortSignal(signal)).toBe(signal);
  });
});
