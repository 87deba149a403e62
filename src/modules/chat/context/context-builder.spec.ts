import { AppError } from '../../../kernel/errors/app-error.js';
import { buildContext, type Context, type ContextEntry } from './context-builder.js';

// What a message costs beside its text, and what the beginning of the answer does.
const MESSAGE = 4;
const ANSWER = 3;

type Role = 'system' | 'user' | 'assistant';
const entry = (role: Role, content: string, tokens: number): ContextEntry => ({ message: { role, content }, tokens });
const question = entry('user', 'q', 10);
const textsOf = ({ messages }: Context): unknown[] => messages.map(({ content }) => content);

/** Newest first, as the store reads it: a2, q2, a1, q1 of 10 tokens each. */
const history = [2, 1].flatMap((turn) => [entry('assistant', `a${turn}`, 10), entry('user', `q${turn}`, 10)]);
const each = 10 + MESSAGE;
const alone = ANSWER + each;

describe('buildContext', () => {
  it('gives the prompts in order, then the history oldest first, then the question', () => {
    const prompts = [entry('system', 's1', 5), entry('system', 's2', 5)];
    const context = buildContext({ prompts, history, question, budget: 1000 });
    expect(textsOf(context)).toEqual(['s1', 's2', 'q1', 'a1', 'q2', 'a2', 'q']);
    expect(context.dropped).toBe(0);
  });

  it('counts every text with what its message costs, and the beginning of the answer once', () => {
    const prompts = [entry('system', 's1', 5)];
    const { inputTokens } = buildContext({ prompts, history, question, budget: 1000 });
    expect(inputTokens).toBe(ANSWER + (5 + MESSAGE) + 5 * each);
  });

  it('takes what fits exactly, and drops the oldest turn for one token less', () => {
    const whole = alone + 4 * each;
    expect(textsOf(buildContext({ prompts: [], history, question, budget: whole }))).toEqual([
      'q1',
      'a1',
      'q2',
      'a2',
      'q',
    ]);
    const tight = buildContext({ prompts: [], history, question, budget: whole - 1 });
    expect(textsOf(tight)).toEqual(['q2', 'a2', 'q']);
    expect(tight).toMatchObject({ dropped: 2, inputTokens: alone + 2 * each });
  });

  it('never uses more than the budget, whatever the budget is', () => {
    for (let budget = alone; budget <= alone + 5 * each; budget++) {
      const { inputTokens, messages, dropped } = buildContext({ prompts: [], history, question, budget });
      expect(inputTokens).toBeLessThanOrEqual(budget);
      expect(messages.length).toBe(history.length - dropped + 1);
      expect(inputTokens).toBe(alone + (messages.length - 1) * each);
    }
  });

  it('never begins the history with an answer whose question had no room', () => {
    for (let budget = alone; budget <= alone + 5 * each; budget++) {
      expect(buildContext({ prompts: [], history, question, budget }).messages[0]?.role).toBe('user');
    }
  });

  it('never begins the history with an answer whose question was not even read', () => {
    const cut = history.slice(0, 3);
    const context = buildContext({ prompts: [], history: cut, question, budget: 1000 });
    expect(textsOf(context)).toEqual(['q2', 'a2', 'q']);
    expect(context).toMatchObject({ dropped: 1, inputTokens: alone + 2 * each });
    expect(textsOf(buildContext({ prompts: [], history: history.slice(0, 1), question, budget: 1000 }))).toEqual(['q']);
  });

  it('leaves no hole: what is older than the first message without room goes too, though it would fit', () => {
    const uneven = [
      entry('assistant', 'a2', 1),
      entry('user', 'q2', 500),
      entry('assistant', 'a1', 1),
      entry('user', 'q1', 1),
    ];
    expect(textsOf(buildContext({ prompts: [], history: uneven, question, budget: 100 }))).toEqual(['q']);
  });

  it('keeps questions that got no answer', () => {
    const unanswered = [entry('user', 'q2', 10), entry('user', 'q1', 10)];
    expect(textsOf(buildContext({ prompts: [], history: unanswered, question, budget: 1000 }))).toEqual([
      'q1',
      'q2',
      'q',
    ]);
  });

  it('gives up all history before a prompt', () => {
    const prompts = [entry('system', 's', 100)];
    const context = buildContext({ prompts, history, question, budget: alone + 100 + MESSAGE });
    expect(textsOf(context)).toEqual(['s', 'q']);
    expect(context.dropped).toBe(4);
  });

  it('throws context_too_large when prompts and question alone are over the budget, by one token', () => {
    const prompts = [entry('system', 's', 100)];
    const budget = alone + 100 + MESSAGE - 1;
    const build = (): Context => buildContext({ prompts, history, question, budget });
    expect(build).toThrow(AppError);
    expect(build).toThrow(expect.objectContaining({ code: 'context_too_large' }) as Error);
    expect(build).toThrow(`They take ${budget + 1} tokens; ${budget} are allowed.`);
  });

  it('does not change what it was given', () => {
    const given = [...history];
    buildContext({ prompts: [], history: given, question, budget: alone + 2 * each });
    expect(given).toEqual(history);
  });
});
