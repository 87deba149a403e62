import { AttemptLog } from './attempt-log.js';
import type { LlmEvent } from './llm-provider.js';

const attempt = (model: string): LlmEvent => ({ type: 'attempt', provider: 'custom', model, isOwnKey: true });
const failed: LlmEvent = { type: 'attempt-failed', code: 'provider_overloaded', providerStatus: 503 };
const finish: LlmEvent = { type: 'finish', reason: 'stop', rawReason: 'stop', generationId: 'gen-2', model: 'b-2' };
const usage: LlmEvent = {
  type: 'usage',
  usage: { inputTokens: 7, outputTokens: 3, cachedInputTokens: 0, costMicroUsd: 12 },
  rawUsage: { prompt_tokens: 7 },
};
const NOTHING = { inputTokens: null, outputTokens: null, cachedInputTokens: null, costMicroUsd: null, rawUsage: null };

function logOf(...events: LlmEvent[]): AttemptLog {
  const log = new AttemptLog();
  log.inputTokens = 100;
  for (const event of events) log.take(event);
  return log;
}

describe('AttemptLog', () => {
  it('has every attempt in order, the one that answered last, each with its usage', () => {
    const log = logOf(attempt('a'), failed, attempt('b'), { type: 'generation', id: 'gen-1' }, usage, finish);
    expect(log.end('completed', null, 2)).toEqual([
      {
        ...NOTHING,
        provider: 'custom',
        model: 'a',
        askedModel: 'a',
        isOwnKey: true,
        generationId: null,
        status: 'failed',
        errorCode: 'provider_overloaded',
        isEstimated: false,
      },
      {
        provider: 'custom',
        model: 'b-2',
        askedModel: 'b',
        isOwnKey: true,
        inputTokens: 7,
        outputTokens: 3,
        cachedInputTokens: 0,
        costMicroUsd: 12,
        rawUsage: { prompt_tokens: 7 },
        generationId: 'gen-2',
        status: 'completed',
        errorCode: null,
        isEstimated: false,
      },
    ]);
  });

  it('has our own counts and the generation id for an attempt that was stopped or broke off in the middle', () => {
    for (const [status, code] of [
      ['stopped', null],
      ['failed', 'provider_disconnected'],
    ] as const) {
      const log = logOf(attempt('a'), { type: 'generation', id: 'gen-1' });
      expect(log.end(status, code, 5)).toEqual([
        expect.objectContaining({
          generationId: 'gen-1',
          inputTokens: 100,
          outputTokens: 5,
          isEstimated: true,
          status,
          errorCode: code,
        }),
      ]);
    }
  });

  it('has no usage for an attempt that failed before its first text', () => {
    expect(logOf(attempt('a')).end('failed', 'provider_unreachable', 0)).toEqual([
      expect.objectContaining({ ...NOTHING, isEstimated: false }),
    ]);
  });

  it('counts the reasoning of one that was stopped before its first word', () => {
    const log = logOf(
      attempt('a'),
      { type: 'reasoning-delta', text: 'Let me ' },
      { type: 'reasoning-delta', text: 'see é' },
    );
    expect(log.end('stopped', null, 0)).toEqual([
      expect.objectContaining({ inputTokens: 100, outputTokens: 4, isEstimated: true }),
    ]);
  });

  it('counts at least the input of one that failed after it had begun, and is asked after by its id', () => {
    const log = logOf(attempt('a'), { type: 'generation', id: 'gen-1' }, failed, attempt('b'), finish);
    expect(log.end('completed', null, 2)[0]).toMatchObject({
      status: 'failed',
      generationId: 'gen-1',
      inputTokens: 100,
      outputTokens: 0,
      isEstimated: true,
    });
  });

  it('counts the input of one that was given up on', () => {
    const timeout: LlmEvent = { type: 'attempt-failed', code: 'provider_timeout', providerStatus: null };
    expect(logOf(attempt('a'), timeout).end('failed', 'provider_timeout', 0)).toEqual([
      expect.objectContaining({ inputTokens: 100, isEstimated: true }),
    ]);
  });

  it('is empty when no provider was called, and adds no attempt when it ends between two', () => {
    expect(logOf().end('failed', 'context_too_large', 0)).toEqual([]);
    expect(logOf(attempt('a'), failed).end('stopped', null, 0)).toHaveLength(1);
  });

  it('counts the attempts of instances that died: the text of the newest is known', () => {
    const log = logOf();
    log.addLost(2, { provider: 'openai', model: 'a', isOwnKey: false }, 9);
    log.take(attempt('b'));
    expect(log.end('completed', null, 1)).toMatchObject([
      { status: 'interrupted', errorCode: 'turn_interrupted', inputTokens: 100, outputTokens: 0, isEstimated: true },
      { status: 'interrupted', inputTokens: 100, outputTokens: 9, isEstimated: true },
      { status: 'completed', outputTokens: 1 },
    ]);
  });
});
