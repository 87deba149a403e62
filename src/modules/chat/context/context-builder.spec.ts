import { AppError } from '../../../kernel/errors/app-error.js';
import type { ContextEntry, PathEntry, Summary } from '../turn.js';
import { buildContext, type Context, type ContextInput } from './context-builder.js';

// The overhead of each message, and the overhead of the answer's beginning.
const MESSAGE = 4;
const ANSWER = 3;

type Role = 'system' | 'user' | 'assistant';
const entry = (role: Role, content: string, tokens: number): ContextEntry => ({ message: { role, content }, tokens });
const question = entry('user', 'q', 10);
const textsOf = ({ messages }: Context): unknown[] => messages.map(({ content }) => content);

/** A path as the store reads it, newest first; `unread` messages precede the oldest of them. */
const pathOf = (entries: readonly ContextEntry[], unread = 0): Pick<ContextInput, 'history' | 'pathLength'> => ({
  history: entries.map((one, i): PathEntry => ({ ...one, position: unread + entries.length - i })),
  pathLength: unread + entries.length,
});

/** Newest first: a2, q2, a1, q1 of 10 tokens each. */
const turns = [2, 1].flatMap((turn) => [entry('assistant', `a${turn}`, 10), entry('user', `q${turn}`, 10)]);
const path = pathOf(turns);
const each = 10 + MESSAGE;
const alone = ANSWER + each;

const build = (budget: number, more: Partial<ContextInput> = {}): Context =>
  buildContext({ prompts: [], ...path, summary: null, question, budget, ...more });

describe('buildContext', () => {
  it('gives the prompts in order, then the history oldest first, then the question', () => {
    const prompts = [entry('system', 's1', 5), entry('system', 's2', 5)];
    const context = build(1000, { prompts });
    expect(textsOf(context)).toEqual(['s1', 's2', 'q1', 'a1', 'q2', 'a2', 'q']);
    expect(context).toMatchObject({ messagesSent: 5, summarised: 0, dropped: 0 });
  });

  it('counts every text with the overhead of its message, and the overhead of the answer once', () => {
    const { inputTokens } = build(1000, { prompts: [entry('system', 's1', 5)] });
    expect(inputTokens).toBe(ANSWER + (5 + MESSAGE) + 5 * each);
  });

  it('keeps a history that fits exactly, and drops the oldest turn for one token less', () => {
    const whole = alone + 4 * each;
    expect(textsOf(build(whole))).toEqual(['q1', 'a1', 'q2', 'a2', 'q']);
    const tight = build(whole - 1);
    expect(textsOf(tight)).toEqual(['q2', 'a2', 'q']);
    expect(tight).toMatchObject({ messagesSent: 3, dropped: 2, inputTokens: alone + 2 * each });
  });

  it('never uses more than the budget, and accounts for every message, whatever the budget is', () => {
    for (let budget = alone; budget <= alone + 5 * each; budget++) {
      const { inputTokens, messages, messagesSent, dropped } = build(budget);
      expect(inputTokens).toBeLessThanOrEqual(budget);
      expect(messages.length).toBe(messagesSent);
      expect(messagesSent + dropped).toBe(turns.length + 1);
      expect(inputTokens).toBe(alone + (messages.length - 1) * each);
    }
  });

  it('never begins the history with an answer whose question had no room', () => {
    for (let budget = alone; budget <= alone + 5 * each; budget++) {
      expect(build(budget).messages[0]?.role).toBe('user');
    }
  });

  it('never begins the history with an answer whose question was not read', () => {
    const context = build(1000, pathOf(turns.slice(0, 3), 1));
    expect(textsOf(context)).toEqual(['q2', 'a2', 'q']);
    expect(context).toMatchObject({ dropped: 2, inputTokens: alone + 2 * each });
    expect(textsOf(build(1000, pathOf(turns.slice(0, 1), 3)))).toEqual(['q']);
  });

  it('counts messages that were not read as dropped', () => {
    expect(build(1000, pathOf(turns, 96))).toMatchObject({ messagesSent: 5, dropped: 96 });
    expect(build(1000, { history: [], pathLength: 100 })).toMatchObject({ messagesSent: 1, dropped: 100 });
  });

  it('does not count a failed answer, which has no text, as dropped', () => {
    const history = path.history.filter(({ position }) => position !== 2);
    expect(build(1000, { history })).toMatchObject({ messagesSent: 4, dropped: 0 });
  });

  it('leaves no gap: drops everything older than the first message without room, even if it would fit', () => {
    const uneven = [
      entry('assistant', 'a2', 1),
      entry('user', 'q2', 500),
      entry('assistant', 'a1', 1),
      entry('user', 'q1', 1),
    ];
    expect(textsOf(build(100, pathOf(uneven)))).toEqual(['q']);
  });

  it('keeps questions without an answer', () => {
    const unanswered = [entry('user', 'q2', 10), entry('user', 'q1', 10)];
    expect(textsOf(build(1000, pathOf(unanswered)))).toEqual(['q1', 'q2', 'q']);
  });

  it('drops all history before it drops a prompt', () => {
    const context = build(alone + 100 + MESSAGE, { prompts: [entry('system', 's', 100)] });
    expect(textsOf(context)).toEqual(['s', 'q']);
    expect(context.dropped).toBe(4);
  });

  it('throws context_too_large when prompts and question alone are over the budget, by one token', () => {
    const budget = alone + 100 + MESSAGE - 1;
    const tooMuch = (): Context => build(budget, { prompts: [entry('system', 's', 100)] });
    expect(tooMuch).toThrow(AppError);
    expect(tooMuch).toThrow(expect.objectContaining({ code: 'context_too_large' }) as Error);
    expect(tooMuch).toThrow(`They take ${budget + 1} tokens; ${budget} are allowed.`);
  });

  it('does not change its input', () => {
    const given = [...path.history];
    build(alone + 2 * each, { history: given });
    expect(given).toEqual(path.history);
  });
});

describe('a summary', () => {
  const summary: Summary = { content: 'in short', tokens: 6, messageCount: 2 };
  const summaryCost = 6 + MESSAGE;

  it('is not used as long as everything fits', () => {
    const context = build(alone + 4 * each, { summary });
    expect(textsOf(context)).toEqual(['q1', 'a1', 'q2', 'a2', 'q']);
    expect(context.summarised).toBe(0);
  });

  it('replaces the oldest turns as soon as one of them has no room, and follows the prompts', () => {
    const prompts = [entry('system', 's', 5)];
    const context = build(alone + 4 * each + 5, { prompts, summary });
    expect(textsOf(context)).toEqual(['s', expect.stringContaining('in short'), 'q2', 'a2', 'q']);
    expect(context).toMatchObject({
      messagesSent: 3,
      summarised: 2,
      dropped: 0,
      inputTokens: alone + 5 + MESSAGE + summaryCost + 2 * each,
    });
  });

  it('is kept when turns after it have no room and are dropped', () => {
    const context = build(alone + summaryCost + 2 * each - 1, { summary });
    expect(textsOf(context)).toEqual([expect.stringContaining('in short'), 'q']);
    expect(context).toMatchObject({ messagesSent: 1, summarised: 2, dropped: 2 });
  });

  it('counts messages between it and the oldest message that was read as dropped', () => {
    const context = build(1000, { ...pathOf(turns, 96), summary: { ...summary, messageCount: 90 } });
    expect(context).toMatchObject({ messagesSent: 5, summarised: 90, dropped: 6 });
  });

  it('is left out when there is no room for it', () => {
    const context = build(alone + summaryCost - 1, { summary });
    expect(textsOf(context)).toEqual(['q']);
    expect(context).toMatchObject({ summarised: 0, dropped: 4 });
  });

  it('never uses more than the budget, and accounts for every message, whatever the budget is', () => {
    for (let budget = alone; budget <= alone + 5 * each; budget++) {
      const { inputTokens, messagesSent, summarised, dropped } = build(budget, { summary });
      expect(inputTokens).toBeLessThanOrEqual(budget);
      expect(messagesSent + summarised + dropped).toBe(turns.length + 1);
    }
  });
});
