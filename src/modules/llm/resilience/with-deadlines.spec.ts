import { setTimeout as sleep } from 'node:timers/promises';
import type { LlmEvent, LlmMessage, LlmOptions } from '../public/llm-provider.js';
import { OfflineProvider } from '../providers/offline.provider.js';
import { type Deadlines, WithDeadlines } from './with-deadlines.js';

const options = { model: null, params: {} };

/** Yields an event after each pause, and knows whether it was left or aborted. */
class PacedProvider extends OfflineProvider {
  aborted: unknown = null;
  isClosed = false;

  constructor(private readonly pausesMs: readonly number[]) {
    super(0);
  }

  override async *stream(_m: readonly LlmMessage[], _o: LlmOptions, signal: AbortSignal): AsyncGenerator<LlmEvent> {
    try {
      for (const [place, pauseMs] of this.pausesMs.entries()) {
        await this.pause(pauseMs, signal);
        yield { type: 'text-delta', text: String(place) };
      }
    } finally {
      this.isClosed = true;
    }
  }

  override async generate(_m: readonly LlmMessage[], _o: LlmOptions, signal?: AbortSignal) {
    await this.pause(this.pausesMs[0] ?? 0, signal);
    return super.generate([], options);
  }

  private async pause(pauseMs: number, signal?: AbortSignal): Promise<void> {
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    if (signal?.aborted === true) {
      this.aborted = signal.reason;
      throw signal.reason;
    }
  }
}

function setUp(pausesMs: readonly number[], deadlines: Partial<Deadlines>) {
  const inner = new PacedProvider(pausesMs);
  const provider = new WithDeadlines(inner, { firstTokenMs: null, idleMs: null, totalMs: null, ...deadlines });
  const abort = new AbortController();
  const seen: LlmEvent[] = [];
  const run = async (readerMs = 0): Promise<number> => {
    for await (const event of provider.stream([], options, abort.signal)) {
      seen.push(event);
      if (readerMs > 0) await sleep(readerMs);
    }
    return seen.length;
  };
  return { inner, provider, abort, seen, run };
}

describe('WithDeadlines', () => {
  it('passes a stream through that keeps them', async () => {
    const { run } = setUp([5, 5, 5], { firstTokenMs: 5000, idleMs: 500, totalMs: 1000 });
    await expect(run()).resolves.toBe(3);
  });

  it('ends a stream without a first event, retryable, and aborts the call', async () => {
    const { run, inner } = setUp([5000], { firstTokenMs: 20, idleMs: 1 });
    await expect(run()).rejects.toMatchObject({ code: 'provider_timeout', retryable: true });
    expect(inner.aborted).toMatchObject({ code: 'provider_timeout' });
  });

  it('ends a stream that falls silent, not retryable', async () => {
    const { run, seen } = setUp([0, 5, 5000], { firstTokenMs: 5000, idleMs: 40 });
    await expect(run()).rejects.toMatchObject({ code: 'provider_timeout', retryable: false });
    expect(seen).toHaveLength(2);
  });

  it('measures silence anew after every event', async () => {
    const { run } = setUp([0, 60, 60, 60, 60], { firstTokenMs: 5000, idleMs: 200 });
    await expect(run()).resolves.toBe(5);
  });

  it('takes anything that the provider sends for a sign of life, before the first event and after it', async () => {
    const { provider, inner } = setUp([150, 150], { firstTokenMs: 100, idleMs: 100 });
    const open = inner.stream.bind(inner);
    inner.stream = (messages, { onSignOfLife, ...rest }, signal) => {
      const beat = setInterval(() => onSignOfLife?.(), 20);
      setTimeout(() => clearInterval(beat), 320).unref();
      return open(messages, rest, signal);
    };
    let outerSigns = 0;
    const events: LlmEvent[] = [];
    const heard = { ...options, onSignOfLife: () => void (outerSigns += 1) };
    for await (const event of provider.stream([], heard, new AbortController().signal)) events.push(event);
    expect(events).toHaveLength(2);
    expect(outerSigns).toBeGreaterThan(5);
  });

  it('does not take what is told about a call for its first event', async () => {
    const { provider, inner } = setUp([], { firstTokenMs: 60, idleMs: 5 });
    inner.stream = async function* (_messages, _options, signal) {
      yield { type: 'generation', id: 'gen-1' };
      await sleep(30);
      yield { type: 'reasoning-delta', text: 'Hm' };
      await sleep(5000, undefined, { signal: signal as AbortSignal }).catch(() => undefined);
      signal.throwIfAborted();
    };
    const seen: LlmEvent[] = [];
    const read = async (): Promise<void> => {
      for await (const event of provider.stream([], options, new AbortController().signal)) seen.push(event);
    };
    await expect(read()).rejects.toMatchObject({ code: 'provider_timeout', retryable: false });
    expect(seen).toHaveLength(2);
  });

  it('does not hold a slow reader against the provider, and still sees silence after it', async () => {
    const { run } = setUp([0, 0, 0], { firstTokenMs: 5000, idleMs: 30 });
    await expect(run(50)).resolves.toBe(3);
    const silent = setUp([0, 0, 5000], { firstTokenMs: 5000, idleMs: 30 });
    await expect(silent.run(50)).rejects.toMatchObject({ code: 'provider_timeout', retryable: false });
  });

  it('ends a stream without end', async () => {
    const { run, inner } = setUp(Array<number>(1000).fill(5), { firstTokenMs: 5000, idleMs: 500, totalMs: 60 });
    await expect(run()).rejects.toMatchObject({ code: 'provider_timeout', retryable: false });
    expect(inner.isClosed).toBe(true);
  });

  it('bounds a whole answer by the total', async () => {
    const { provider, inner } = setUp([5000], { totalMs: 20 });
    await expect(provider.generate([], options)).rejects.toMatchObject({ code: 'provider_timeout' });
    expect(inner.aborted).not.toBeNull();
  });

  it('hands an abort on with its reason', async () => {
    const { run, abort } = setUp([5000], { firstTokenMs: 9000, totalMs: 9000 });
    const reason = new Error('stopped');
    setTimeout(() => abort.abort(reason), 10);
    await expect(run()).rejects.toBe(reason);
    const late = setUp([0], { firstTokenMs: 100 });
    late.abort.abort(reason);
    await expect(late.run()).rejects.toBe(reason);
  });

  it('closes the call of a reader that leaves', async () => {
    const { provider, inner, abort } = setUp([0, 0, 0], { firstTokenMs: 5000, idleMs: 5000, totalMs: 5000 });
    for await (const _event of provider.stream([], options, abort.signal)) break;
    expect(inner.isClosed).toBe(true);
  });

  it('is out of the way from the first token on when it has no other deadline, and still hands on an abort', async () => {
    const { provider, inner, abort } = setUp([0, 5, 5000], { firstTokenMs: 50 });
    const pending: unknown[] = [];
    const open = inner.stream.bind(inner);
    inner.stream = (...args) => {
      const events = open(...args);
      const next = events.next.bind(events);
      events.next = () => {
        const promise = next();
        pending.push(promise);
        return promise;
      };
      return events;
    };
    const events = provider.stream([], options, abort.signal)[Symbol.asyncIterator]();
    await events.next();
    const second = events.next();
    expect(second).toBe(pending[1]);
    await sleep(80);
    await expect(second).resolves.toMatchObject({ value: { text: '1' } });
    const reason = new Error('stopped');
    const third = events.next();
    abort.abort(reason);
    await expect(third).rejects.toBe(reason);
  });

  it('closes the call also when it has come to its end', async () => {
    const { provider, inner, abort } = setUp([0], { firstTokenMs: 5000, idleMs: 5000 });
    let closed = 0;
    const open = inner.stream.bind(inner);
    inner.stream = (...args) => {
      const events = open(...args);
      const leave = events.return.bind(events);
      events.return = (value) => {
        closed += 1;
        return leave(value);
      };
      return events;
    };
    for await (const _event of provider.stream([], options, abort.signal));
    expect(closed).toBe(1);
  });

  it('leaves no listener on the signal of a call that is over', async () => {
    const { run, provider, abort } = setUp([0], { firstTokenMs: 5000, idleMs: 5000, totalMs: 5000 });
    let listeners = 0;
    const { addEventListener, removeEventListener } = abort.signal;
    abort.signal.addEventListener = (...args: Parameters<typeof addEventListener>): void => {
      listeners += 1;
      addEventListener.apply(abort.signal, args);
    };
    abort.signal.removeEventListener = (...args: Parameters<typeof removeEventListener>): void => {
      listeners -= 1;
      removeEventListener.apply(abort.signal, args);
    };
    await run();
    await provider.generate([], options, abort.signal);
    expect(listeners).toBe(0);
  });
});
