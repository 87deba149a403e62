import { LlmError, type LlmErrorCode } from '../public/llm-error.js';
import type { LlmEvent, LlmProvider } from '../public/llm-provider.js';
import { OfflineProvider } from '../providers/offline.provider.js';
import { type RetryNotice, WithRetry } from './with-retry.js';

type Attempt = readonly (LlmEvent | Error)[];

const options = { model: null, params: {} };
const begun: LlmEvent = { type: 'attempt', provider: 'offline', model: 'offline', isOwnKey: true };
const failed = (code: LlmErrorCode): LlmEvent => ({ type: 'attempt-failed', code, providerStatus: null });
const text = (value: string): LlmEvent => ({ type: 'text-delta', text: value });
const failure = (code: LlmErrorCode, retryable: boolean, retryAfterMs: number | null = null): LlmError =>
  new LlmError(code, { retryable, retryAfterMs });

/** Plays one script a call. */
class ScriptedProvider extends OfflineProvider {
  calls = 0;

  constructor(private readonly attempts: readonly Attempt[]) {
    super(0);
  }

  override async *stream(): AsyncGenerator<LlmEvent> {
    for (const step of this.attempts[this.calls++] ?? []) {
      if (step instanceof Error) throw step;
      yield step;
    }
  }

  override async generate(): ReturnType<LlmProvider['generate']> {
    const step = this.attempts[this.calls++]?.[0];
    if (step instanceof Error) throw step;
    return super.generate([], options);
  }
}

function setUp(retries: number, ...attempts: Attempt[]) {
  const waits: number[] = [];
  const notices: RetryNotice[] = [];
  const inner = new ScriptedProvider(attempts);
  const provider = new WithRetry(inner, {
    isOwnKey: true,
    retries,
    random: () => 0.5,
    sleep: async (waitMs) => void waits.push(waitMs),
    onRetry: (notice) => notices.push(notice),
  });
  const abort = new AbortController();
  const run = async (): Promise<LlmEvent[]> => {
    const events: LlmEvent[] = [];
    for await (const event of provider.stream([], options, abort.signal)) events.push(event);
    return events;
  };
  return { inner, provider, waits, notices, abort, run };
}

describe('WithRetry', () => {
  const busy = failure('provider_overloaded', true);

  it('calls again with growing pauses until it succeeds, and tells of each attempt', async () => {
    const { run, waits, notices } = setUp(2, [busy], [busy], [text('a'), text('b')]);
    const failure = failed('provider_overloaded');
    await expect(run()).resolves.toEqual([begun, failure, begun, failure, begun, text('a'), text('b')]);
    expect(waits).toEqual([125, 250]);
    expect(notices).toEqual([
      { provider: 'offline', attempt: 1, code: 'provider_overloaded' },
      { provider: 'offline', attempt: 2, code: 'provider_overloaded' },
    ]);
  });

  it('gives up after its attempts with the last failure', async () => {
    const last = failure('provider_rate_limited', true);
    const { run, inner } = setUp(1, [busy], [last], [text('never')]);
    await expect(run()).rejects.toBe(last);
    expect(inner.calls).toBe(2);
  });

  it.each([
    ['a failure that will not pass', failure('provider_key_refused', false)],
    ['an error of another kind', new TypeError('bug')],
    ['a pause that is too long', failure('provider_rate_limited', true, 20_001)],
  ])('does not call again after %s', async (_, error) => {
    const { run, inner } = setUp(2, [error], [text('never')]);
    await expect(run()).rejects.toBe(error);
    expect(inner.calls).toBe(1);
  });

  it('waits as long as the provider asks', async () => {
    const { run, waits } = setUp(2, [failure('provider_rate_limited', true, 20_000)], [text('a')]);
    await run();
    expect(waits).toEqual([20_000]);
  });

  it('does not call again once an event was yielded', async () => {
    const lost = failure('provider_disconnected', true);
    const { provider, inner, abort } = setUp(2, [text('a'), lost], [text('never')]);
    const events = provider.stream([], options, abort.signal)[Symbol.asyncIterator]();
    await expect(events.next()).resolves.toEqual({ done: false, value: begun });
    await expect(events.next()).resolves.toEqual({ done: false, value: text('a') });
    await expect(events.next()).rejects.toBe(lost);
    expect(inner.calls).toBe(1);
  });

  it('keeps pauses within 5 s', async () => {
    const attempts = Array.from({ length: 8 }, () => [busy]);
    const { run, waits } = setUp(7, ...attempts);
    await expect(run()).rejects.toBe(busy);
    expect(waits).toEqual([125, 250, 500, 1000, 2000, 2500, 2500]);
  });

  it('does not call again after an abort, and an abort ends a pause', async () => {
    const inner = new ScriptedProvider([[busy], [text('never')]]);
    const provider = new WithRetry(inner, { isOwnKey: false, retries: 2, random: () => 1 });
    const abort = new AbortController();
    const reason = new Error('stopped');
    setTimeout(() => abort.abort(reason), 10);
    const events: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { type } of provider.stream([], options, abort.signal)) events.push(type);
    };
    await expect(read()).rejects.toBe(reason);
    expect(events).toEqual(['attempt', 'attempt-failed']);
    expect(inner.calls).toBe(1);
  });

  it('does not take the reason of an abort for a failure that may pass', async () => {
    const { run, inner, abort } = setUp(2, [busy], [text('never')]);
    abort.abort(busy);
    await expect(run()).rejects.toBe(busy);
    expect(inner.calls).toBe(1);
  });

  it('retries whole answers as well', async () => {
    const { provider, inner } = setUp(1, [busy], []);
    await expect(provider.generate([], options)).resolves.toMatchObject({ model: 'offline' });
    expect(inner.calls).toBe(2);
  });
});
