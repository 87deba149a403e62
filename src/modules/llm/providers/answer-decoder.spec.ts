import type { LlmEvent } from '../public/llm-provider.js';
import { AnswerDecoder } from './answer-decoder.js';
import { redactor } from './openai-errors.js';
import { openRouterUsage } from './openai-usage.js';

function decoder(maxAnswerChars = 100_000): AnswerDecoder {
  return new AnswerDecoder({ usageOf: openRouterUsage, redact: redactor('secret'), maxAnswerChars });
}

function chunk(delta: unknown, finishReason: string | null = null, more: object = {}): string {
  const choices = [{ index: 0, delta, finish_reason: finishReason }];
  return `data: ${JSON.stringify({ id: 'gen-1', model: 'm-1', choices, usage: null, ...more })}\n\n`;
}

function read(...pieces: string[]): { text: string; closing: LlmEvent[]; decoder: AnswerDecoder } {
  const subject = decoder();
  for (const piece of pieces) subject.feed(piece);
  subject.end('');
  return { text: subject.takeText(), closing: subject.closing(), decoder: subject };
}

describe('AnswerDecoder', () => {
  it('joins the text of all frames since the last take', () => {
    const subject = decoder();
    subject.feed(chunk({ role: 'assistant', content: '' }) + chunk({ content: 'a' }) + chunk({ content: 'b' }));
    expect(subject.takeText()).toBe('ab');
    subject.feed(chunk({ content: 'c' }));
    expect(subject.takeText()).toBe('c');
    expect(subject.takeText()).toBe('');
  });

  it('reads a frame that comes in single characters', () => {
    const all = chunk({ content: 'Grüße 👋' }) + chunk({}, 'stop') + 'data: [DONE]\n\n';
    const { text, decoder: subject } = read(...all);
    expect(text).toBe('Grüße 👋');
    expect(subject.isDone).toBe(true);
  });

  it('gives finish with reason, id and model, and usage before it', () => {
    const usage = {
      prompt_tokens: 3,
      completion_tokens: 2,
      prompt_tokens_details: { cached_tokens: 1 },
      cost: 0.0000015,
    };
    const { closing } = read(chunk({ content: 'x' }), chunk({}, 'stop'), chunk({}, null, { usage, choices: [] }));
    expect(closing).toEqual([
      {
        type: 'usage',
        usage: { inputTokens: 3, outputTokens: 2, cachedInputTokens: 1, costMicroUsd: 2 },
        rawUsage: usage,
      },
      { type: 'finish', reason: 'stop', rawReason: 'stop', generationId: 'gen-1', model: 'm-1' },
    ]);
  });

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['tool_calls', 'tool_calls'],
    ['function_call', 'tool_calls'],
    ['eos', 'stop'],
    ['COMPLETE', 'stop'],
    ['MAX_TOKENS', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['end_turn', 'stop'],
    ['tool_use', 'tool_calls'],
    ['SAFETY', 'content_filter'],
    ['content_filter: RECITATION', 'content_filter'],
    ['something new', 'other'],
    ['constructor', 'other'],
  ])('takes finish_reason %s for %s', (raw, reason) => {
    expect(read(chunk({ content: 'x' }), chunk({}, raw)).closing).toEqual([
      expect.objectContaining({ type: 'finish', reason, rawReason: raw }),
    ]);
  });

  it('takes a refusal for text that was filtered', () => {
    const { text, closing } = read(chunk({ refusal: 'I can' }), chunk({ refusal: 'not' }), chunk({}, 'stop'));
    expect(text).toBe('I cannot');
    expect(closing).toEqual([expect.objectContaining({ reason: 'content_filter', rawReason: 'stop' })]);
  });

  it('puts tool calls together, one event each', () => {
    const call = (index: number, more: object): string => chunk({ tool_calls: [{ index, ...more }] });
    const { closing } = read(
      call(0, { id: 'a', function: { name: 'one', arguments: '' } }),
      call(1, { id: 'b', function: { name: 'two', arguments: '{"n"' } }),
      call(0, { function: { arguments: '{}' } }),
      call(1, { function: { arguments: ':1}' } }),
      chunk({}, 'tool_calls'),
    );
    expect(closing.slice(0, 2)).toEqual([
      { type: 'tool-call', id: 'a', name: 'one', arguments: '{}' },
      { type: 'tool-call', id: 'b', name: 'two', arguments: '{"n":1}' },
    ]);
  });

  it('ignores what it does not know: comments, reasoning, empty choices, other fields of the stream', () => {
    const { text, decoder: subject } = read(
      'data: null\n\n',
      'event: ping\ndata: {"type":"ping"}\n\n',
      ': OPENROUTER PROCESSING\n\n',
      'event: message\nretry: 10\nfoo: bar\n',
      chunk({ reasoning: 'hm', reasoning_content: 'hm' }),
      'data: {"choices":[]}\n\n',
      'data: {"choices":[null]}\n\n',
      'data: {}\n\n',
      chunk({ content: 'x' }, 'stop'),
    );
    expect([text, subject.failure]).toEqual(['x', null]);
  });

  it.each([
    ['a frame that is no JSON', 'data: {"choices":[{"del\n\n'],
    ['a frame that is no object', 'data: 42\n\n'],
    ['a frame without end', `data: ${'x'.repeat(6 * 100_000 + 1024 * 1024 + 10)}`],
  ])('fails with provider_bad_response on %s', (_, bytes) => {
    const { decoder: subject, text } = read(chunk({ content: 'x' }), bytes, chunk({ content: 'y' }));
    expect(subject.failure).toMatchObject({ code: 'provider_bad_response', retryable: false });
    expect(text).toBe('x');
  });

  it('does not take a frame that the end cut off for nonsense', () => {
    const { decoder: subject } = read(chunk({ content: 'x' }), 'data: {"choices":[{"delta":{"con');
    expect([subject.failure, subject.isComplete]).toEqual([null, false]);
  });

  it('reads a last frame without its blank line', () => {
    const { text, decoder: subject } = read(chunk({ content: 'x' }), chunk({ content: 'y' }, 'stop').trimEnd());
    expect([text, subject.isComplete]).toEqual(['xy', true]);
  });

  it.each([
    ['an error frame', 'data: {"error":{"code":502,"message":"secret"}}\n\n'],
    ['an error beside choices', chunk({ content: '' }, 'error', { error: { code: 502, message: 'secret' } })],
    ['an error within the choice', `data: {"choices":[{"delta":{},"error":{"code":502}}]}\n\n`],
    ['an error without object', chunk({ content: '' }, 'error')],
    ['a network that failed', chunk({ content: '' }, 'network_error')],
    ['an answer that was aborted', chunk({ content: '' }, 'abort')],
    ['an error as the frame itself', 'data: {"object":"error","message":"x"}\n\ndata: [DONE]\n\n'],
    ['a message with a code', 'data: {"message":"x","code":"internal"}\n\n'],
    ['a detail', 'data: {"detail":[{"msg":"x"}]}\n\n'],
    ['an array', 'data: [{"error":{"code":500}}]\n\n'],
    ['a JSON text', 'data: "upstream failed"\n\n'],
    ['an error event', 'event: error\ndata: {"reason":"x"}\n\n'],
    ['an error event of plain text', 'event: error\ndata: upstream failed\n\n'],
    ['an error field', 'error: {"code":500,"message":"x","type":"server_error"}\n\n'],
    ['a bare line of JSON', '{"error":{"message":"x","type":"server_error"}}\n\n'],
  ])('fails with provider_error on %s', (_, bytes) => {
    const { decoder: subject } = read(chunk({ content: 'x' }), bytes);
    expect(subject.failure).toMatchObject({ code: 'provider_error', retryable: true });
    expect(String((subject.failure?.cause as Error).message)).not.toContain('secret');
  });

  it('counts as complete with [DONE] and text, but not with [DONE] alone', () => {
    expect(read(chunk({ content: 'x' }), 'data: [DONE]\n\n').decoder.isComplete).toBe(true);
    expect(read(chunk({ content: 'x' }), 'data: [DONE]\n\n').closing).toEqual([
      expect.objectContaining({ reason: 'other', rawReason: null }),
    ]);
    expect(read('data: [DONE]\n\n').decoder.isComplete).toBe(false);
    expect(read(chunk({ content: 'x' })).decoder.isComplete).toBe(false);
  });

  it.each(['data: [DONE] \n\n', 'event: error\ndata: x\n\n', 'data: }{\n\n', 'data: {"error":{"code":500}}\n\n'])(
    'is whole after a finish reason, whatever follows: %j',
    (bytes) => {
      const usage = { prompt_tokens: 1, completion_tokens: 2 };
      const { decoder: subject, closing } = read(chunk({ content: 'x' }), chunk({}, 'stop', { usage }), bytes);
      expect([subject.failure, subject.isComplete]).toEqual([null, true]);
      expect(closing).toEqual([
        expect.objectContaining({ type: 'usage' }),
        expect.objectContaining({ reason: 'stop', rawReason: 'stop' }),
      ]);
    },
  );

  it('does not take the text "null" for a finish reason', () => {
    const { decoder: subject } = read(chunk({ content: 'x' }, 'null'), chunk({ content: 'y' }, 'null'));
    expect(subject.isComplete).toBe(false);
  });

  it('keeps the usage that was told before a failure', () => {
    const usage = { prompt_tokens: 1, completion_tokens: 2 };
    const { decoder: subject } = read(chunk({ content: 'x' }, null, { usage }), 'event: error\ndata: x\n\n');
    expect(subject.usageEvents()).toEqual([expect.objectContaining({ type: 'usage', rawUsage: usage })]);
  });

  it.each([
    ['<think>a</think>b', 'a', 'b'],
    ['\n <think>\na\n</think>\n\nb', '\na\n', 'b'],
    ['<think></think>b', '', 'b'],
    ['<think>a', 'a', ''],
    ['<think>a</thin', 'a</thin', ''],
    ['<thin', '', '<thin'],
    ['  x', '', '  x'],
    ['b <think>a</think>', '', 'b <think>a</think>'],
    ['<think>a</think>b<think>c</think>', 'a', 'b<think>c</think>'],
    ['<thinking>a', '', '<thinking>a'],
  ])('takes %j for the reasoning %j and the text %j, in any cuts', (all, reasoning, text) => {
    for (const frames of [[all], [...all], all.split(/(?=[<>/])/)]) {
      const { decoder: subject, text: read_ } = read(...frames.map((content) => chunk({ content })), chunk({}, 'stop'));
      expect([subject.takeReasoning(), read_]).toEqual([reasoning, text]);
    }
    const subject = decoder();
    subject.readCompletion(JSON.stringify({ choices: [{ message: { content: all }, finish_reason: 'stop' }] }));
    expect([subject.takeReasoning(), subject.takeText()]).toEqual([reasoning, text]);
  });

  it('cuts reasoning that is longer than the largest answer', () => {
    const subject = decoder(5);
    subject.feed(chunk({ reasoning_content: 'abcdefg' }));
    expect([subject.takeReasoning(), subject.isCut]).toEqual(['abcde', true]);
  });

  it('cuts the answer at its largest size, never through a surrogate pair', () => {
    const subject = decoder(5);
    subject.feed(chunk({ content: 'abcd' }) + chunk({ content: '👋' }) + chunk({ content: 'e' }));
    expect(subject.takeText()).toBe('abcd');
    expect(subject.isCut).toBe(true);
    expect(subject.closing()).toEqual([expect.objectContaining({ reason: 'length', rawReason: null })]);
  });

  it('skips a byte order mark', () => {
    expect(read(`\ufeff${chunk({ content: 'x' }, 'stop')}`).text).toBe('x');
  });

  it('reads a completion in one piece', () => {
    const subject = decoder();
    const message = {
      role: 'assistant',
      content: 'Hi',
      tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{}' } }],
    };
    subject.readCompletion(JSON.stringify({ id: 'c', model: 'm', choices: [{ message, finish_reason: 'stop' }] }));
    expect(subject.takeText()).toBe('Hi');
    expect(subject.closing()).toEqual([
      { type: 'tool-call', id: 'a', name: 'f', arguments: '{}' },
      { type: 'finish', reason: 'stop', rawReason: 'stop', generationId: 'c', model: 'm' },
    ]);
  });
});
