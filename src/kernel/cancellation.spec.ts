import { Canceller, toAbortSignal } from './cancellation.js';

describe('Canceller', () => {
  it('calls each listener once, after it has set the reason', () => {
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

  it('does not call listeners that were removed or added after the abort, but calls the others', () => {
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

  it('calls all listeners, even if one of them removes itself or another one', () => {
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
  it('is aborted with the same reason', () => {
    const canceller = new Canceller();
    const early = toAbortSignal(canceller);
    expect(early.aborted).toBe(false);
    canceller.abort('why');
    expect(early).toMatchObject({ aborted: true, reason: 'why' });
    expect(toAbortSignal(canceller)).toMatchObject({ aborted: true, reason: 'why' });
  });

  it('returns an AbortSignal unchanged', () => {
    const { signal } = new AbortController();
    expect(toAbortSignal(signal)).toBe(signal);
  });
});
