import type { LlmUsage } from '../../llm/public/llm-provider.js';
import { AnswerDraft } from './answer-draft.js';

const delta = (text: string) => ({ type: 'text-delta', text }) as const;
const usage = (fields: Partial<LlmUsage>) =>
  ({
    type: 'usage',
    usage: { inputTokens: null, outputTokens: null, cachedInputTokens: null, costMicroUsd: null, ...fields },
    rawUsage: { prompt_tokens: 7 },
  }) as const;
const attempt = { type: 'attempt', provider: 'openai', model: 'model-1', isOwnKey: false } as const;
const finish = { type: 'finish', reason: 'stop', rawReason: 'stop', generationId: 'gen-1', model: 'model-2' } as const;

/** The pieces of text for these deltas, including the last flush. */
function piecesOf(...deltas: string[]): string[] {
  const draft = new AnswerDraft();
  return [...deltas.map((text) => draft.add(delta(text))), draft.flush()];
}

describe('the text of a draft', () => {
  it('is the deltas, each passed on at once', () => {
    expect(piecesOf('Good', ' ', 'morning')).toEqual(['Good', ' ', 'morning', '']);
  });

  it('holds back half a surrogate pair until the other half arrives, so that no reader sees half a character', () => {
    expect(piecesOf('a\ud83d', '\ude00b')).toEqual(['a', '😀b', '']);
    expect(piecesOf('\ud83d', '\ude00')).toEqual(['', '😀', '']);
    expect(piecesOf('\ud83d', '', '\ude00')).toEqual(['', '', '😀', '']);
  });

  it('restores every text, wherever it was cut', () => {
    const text = 'a😀b👩‍👩‍👧é';
    for (let cut = 0; cut <= text.length; cut++) {
      expect(piecesOf(text.slice(0, cut), text.slice(cut)).join('')).toBe(text);
    }
    expect(piecesOf(...text.split('')).join('')).toBe(text);
  });

  it('is well formed at every moment, whatever half pairs arrive', () => {
    for (const deltas of [
      ['\ude00'],
      ['\ud83d'],
      ['\ud83d', 'x'],
      ['\ud83d', '\ud83d', '\ude00'],
      ['x\ude00\ud83dy'],
    ]) {
      for (const piece of piecesOf(...deltas)) expect(piece.isWellFormed()).toBe(true);
    }
    expect(piecesOf('\ud83d', 'x')).toEqual(['', '\ufffdx', '']);
    expect(piecesOf('x\ud83d')).toEqual(['x', '\ufffd']);
  });

  it('drops NUL, which PostgreSQL cannot store, and nothing else', () => {
    expect(piecesOf('a\0b', '\0', '\0c')).toEqual(['ab', '', 'c', '']);
  });

  it('flushes once', () => {
    const draft = new AnswerDraft();
    draft.add(delta('x\ud83d'));
    expect([draft.flush(), draft.flush()]).toEqual(['\ufffd', '']);
  });

  it('ignores other events', () => {
    const draft = new AnswerDraft();
    expect(draft.add(usage({ inputTokens: 1 }))).toBe('');
    expect(draft.add({ type: 'tool-call', id: '1', name: 'f', arguments: '{}' })).toBe('');
    expect(draft.add(finish)).toBe('');
    expect(draft.flush()).toBe('');
  });
});

describe('the outcome of a draft', () => {
  /** The draft of a turn after these events. */
  function asked(...events: Parameters<AnswerDraft['add']>[0][]): AnswerDraft {
    const draft = new AnswerDraft();
    draft.note({ messages: [], messagesSent: 3, summarised: 0, dropped: 0, inputTokens: 100 });
    draft.attempts.inputTokens = 100;
    draft.add(attempt);
    for (const event of events) draft.add(event);
    return draft;
  }

  it('has the counts of the provider, not marked as estimated', () => {
    const counts = { inputTokens: 7, outputTokens: 3, cachedInputTokens: 2, costMicroUsd: 15 };
    expect(asked(delta('Hi'), finish, usage(counts)).outcome('completed', null, 'Hi', 1)).toMatchObject({
      ...counts,
      isUsageEstimated: false,
      status: 'completed',
      content: 'Hi',
      contentTokens: 1,
      finishReason: 'stop',
      provider: 'openai',
      model: 'model-2',
      generationId: 'gen-1',
      errorCode: null,
      attempts: [{ ...counts, rawUsage: { prompt_tokens: 7 }, isEstimated: false, status: 'completed' }],
      errorDetail: null,
      context: { messagesSent: 3, summarised: 0, dropped: 0, inputTokens: 100 },
    });
  });

  it('keeps zero counts of the provider as zero', () => {
    const outcome = asked(usage({ inputTokens: 0, outputTokens: 0 })).outcome('completed', null, 'Hi', 5);
    expect(outcome).toMatchObject({ inputTokens: 0, outputTokens: 0, isUsageEstimated: false });
  });

  it('has our own counts, marked as estimated, when the provider gives none, and never a zero for an unknown cost', () => {
    expect(asked(delta('Hi'), finish).outcome('completed', null, 'Hi', 1)).toMatchObject({
      inputTokens: 100,
      outputTokens: 1,
      isUsageEstimated: true,
      cachedInputTokens: null,
      costMicroUsd: null,
    });
  });

  it('fills in only the missing count and is marked as estimated', () => {
    expect(asked(delta('Hi'), usage({ inputTokens: 7 })).outcome('completed', null, 'Hi', 1)).toMatchObject({
      inputTokens: 7,
      outputTokens: 1,
      isUsageEstimated: true,
    });
  });

  it('estimates the usage of a stopped answer, even before its first word', () => {
    for (const [events, tokens] of [
      [[], 0],
      [[delta('So far')], 2],
    ] as const) {
      const outcome = asked(...events).outcome('stopped', null, 'Hi', tokens);
      expect(outcome).toMatchObject({ inputTokens: 100, outputTokens: tokens, isUsageEstimated: true });
    }
  });

  it('estimates the usage of an answer that failed in the middle', () => {
    expect(asked(delta('Half')).outcome('failed', 'provider_disconnected', 'Half', 1)).toMatchObject({
      status: 'failed',
      errorCode: 'provider_disconnected',
      content: 'Half',
      inputTokens: 100,
      isUsageEstimated: true,
    });
  });

  it('has no usage when the provider failed before the first word', () => {
    expect(asked().outcome('failed', 'provider_unreachable', '', 0)).toMatchObject({
      inputTokens: null,
      outputTokens: null,
      isUsageEstimated: false,
      finishReason: null,
      generationId: null,
      model: 'model-1',
    });
  });

  it('has no usage when no model was called', () => {
    expect(new AnswerDraft().outcome('failed', 'context_too_large', '', 0)).toMatchObject({
      provider: null,
      model: null,
      inputTokens: null,
      outputTokens: null,
      isUsageEstimated: false,
    });
  });

  it('keeps the requested model when the provider does not name the one that answered', () => {
    expect(asked({ ...finish, model: null }).outcome('completed', null, 'Hi', 0).model).toBe('model-1');
  });
});
