import type { LlmMessage } from '../public/llm-provider.js';
import { OfflineProvider } from './offline.provider.js';

const provider = new OfflineProvider(0);
const talk: LlmMessage[] = [
  { role: 'system', content: 'You are a patient teacher of German who never gives the answer at once.' },
  { role: 'system', content: 'Answer in verse.' },
  { role: 'user', content: 'What is a noun?' },
  { role: 'assistant', content: 'A name.' },
  { role: 'user', content: 'And a verb?' },
  { role: 'assistant', content: 'A deed.' },
  { role: 'user', content: 'And\n\nan   adjective?' },
];

describe('OfflineProvider', () => {
  it('shows what a model would have been given, and says that none answered', async () => {
    const { text } = await provider.generate(talk, { model: null, params: {} });
    expect(text).toBe(
      [
        'Hello from Parley’s offline provider. No model has read this; here is what one would have been given.',
        'System prompts, in this order: 2.\n1. You are a patient teacher of German who never gives the…\n2. Answer in verse.',
        'Earlier messages: 4. You began with “What is a noun?”, and your latest was “And a verb?”.',
        'Your new message: “And an adjective?”',
        'For real answers, set LLM_PROVIDER and its key.',
      ].join('\n\n'),
    );
  });

  it('is as clear without prompts and history', async () => {
    const { text } = await provider.generate([{ role: 'user', content: 'Hi' }], { model: null, params: {} });
    expect(text).toContain('System prompts: none.\n\nEarlier messages: none.\n\nYour new message: “Hi”');
  });

  it('shortens long messages and names images', async () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } } as const;
    const content = [{ type: 'text', text: '👋'.repeat(500) } as const, image];
    const { text } = await provider.generate([{ role: 'user', content }], { model: null, params: {} });
    expect(text).toContain(`“${'👋'.repeat(200)}…”`);
    const short = [{ type: 'text', text: 'See' } as const, image];
    const answer = await provider.generate([{ role: 'user', content: short }], { model: null, params: {} });
    expect(answer.text).toContain('“See [image]”');
    expect(answer.text).not.toContain('base64');
  });

  it('streams word by word and counts words', async () => {
    const events = [];
    const options = { model: null, params: { max_output_tokens: 4 } };
    for await (const event of provider.stream(talk, options, new AbortController().signal)) events.push(event);
    expect(events).toEqual([
      { type: 'text-delta', text: 'Hello ' },
      { type: 'text-delta', text: 'from ' },
      { type: 'text-delta', text: 'Parley’s ' },
      { type: 'text-delta', text: 'offline ' },
      {
        type: 'usage',
        usage: { inputTokens: 31, outputTokens: 4, cachedInputTokens: 0, costMicroUsd: 0 },
        rawUsage: null,
      },
      { type: 'finish', reason: 'length', rawReason: 'length', generationId: null, model: 'offline' },
    ]);
  });

  it('waits between words, and an abort ends the wait', async () => {
    const slow = new OfflineProvider(10_000);
    const abort = new AbortController();
    const events = slow.stream(talk, { model: null, params: {} }, abort.signal);
    await expect(events.next()).resolves.toMatchObject({ value: { text: 'Hello ' } });
    const reason = new Error('stopped');
    setTimeout(() => abort.abort(reason), 5);
    await expect(events.next()).rejects.toBe(reason);
  });
});
