import { Bulkhead } from '../../../platform/load/bulkhead.js';
import type { LlmEvent } from '../public/llm-provider.js';
import { OfflineProvider } from '../providers/offline.provider.js';
import { WithBulkhead } from './with-bulkhead.js';
import { WithDeadlines } from './with-deadlines.js';

const options = { model: null, params: {} };

/** Says a word, and ends as it is told to. */
class BriefProvider extends OfflineProvider {
  constructor(private readonly failsAt: 'begin' | 'middle' | null) {
    super(0);
  }

  override async *stream(): AsyncGenerator<LlmEvent> {
    if (this.failsAt === 'begin') throw new Error('broken');
    yield { type: 'attempt', provider: 'offline', model: 'm', isOwnKey: false };
    yield { type: 'text-delta', text: 'word' };
    if (this.failsAt === 'middle') throw new Error('broken');
  }
}

describe('WithBulkhead, inside of WithDeadlines', () => {
  const setUp = (failsAt: 'begin' | 'middle' | null = null) => {
    const bulkhead = new Bulkhead(1);
    const bound = new WithBulkhead(new BriefProvider(failsAt), bulkhead, 0);
    const provider = new WithDeadlines(bound, { firstTokenMs: null, idleMs: 5000, totalMs: 5000 });
    const { signal } = new AbortController();
    return { bulkhead, stream: () => provider.stream([], options, signal) };
  };

  async function read(events: AsyncIterable<LlmEvent>): Promise<number> {
    let count = 0;
    for await (const _event of events) count += 1;
    return count;
  }

  it('holds a place while an answer runs, and refuses who finds none', async () => {
    const { bulkhead, stream } = setUp();
    for await (const { type } of stream()) {
      expect(bulkhead.free).toBe(0);
      if (type === 'text-delta') await expect(read(stream())).rejects.toMatchObject({ code: 'provider_busy' });
    }
    expect(bulkhead.free).toBe(1);
  });

  it.each(['begin', 'middle'] as const)('gives the place back when the answer fails at its %s', async (failsAt) => {
    const { bulkhead, stream } = setUp(failsAt);
    await expect(read(stream())).rejects.toThrow('broken');
    expect(bulkhead.free).toBe(1);
  });

  it('gives the place back when the reader leaves', async () => {
    const { bulkhead, stream } = setUp();
    for await (const _event of stream()) break;
    expect(bulkhead.free).toBe(1);
  });
});
