import { AppError } from '../../../kernel/errors/app-error.js';
import type { LlmMessage } from '../../llm/public/llm-provider.js';
import type { ContextFacts } from '../message.entity.js';
import { type ContextEntry, PER_ANSWER, PER_MESSAGE, type PathEntry, type Summary } from '../turn.js';

export interface ContextInput {
  /** In the order of the project. */
  readonly prompts: readonly ContextEntry[];
  /** The newest part of the path to the question, newest first. */
  readonly history: readonly PathEntry[];
  /** How many messages the path has, the question not counted. */
  readonly pathLength: number;
  /** What may stand for the beginning of the path when the whole does not fit. */
  readonly summary: Summary | null;
  readonly question: ContextEntry;
  /** Tokens for all of it together. */
  readonly budget: number;
}

export interface Context extends ContextFacts {
  readonly messages: readonly LlmMessage[];
}

/** What a picture costs when nobody has counted it. */
export const IMAGE_TOKENS = 1000;

/** What an entry takes, with what the template adds to it. */
export const costOf = ({ tokens }: Pick<ContextEntry, 'tokens'>): number => tokens + PER_MESSAGE;

/** What is left for a question and what was said before it. */
export const roomBeside = (prompts: readonly ContextEntry[], budget: number): number =>
  prompts.reduce((room, prompt) => room - costOf(prompt), budget - PER_ANSWER);

/** A summary as the model reads it. Not as the user's word, which has to come in turn with the assistant's. */
export function summaryMessage(content: string): LlmMessage & { readonly content: string } {
  return { role: 'system', content: `What was said before, in short:\n\n${content}` };
}

/**
 * What the model gets to read: all system prompts in order, the whole history or as much of the newest as fits, the
 * question last. When something has to be left out and there is a summary, it comes before what it does not stand for.
 * History never begins with an answer whose question is missing. Throws `context_too_large` when even without history
 * it does not fit.
 */
export function buildContext(input: ContextInput): Context {
  const { prompts, question, budget, summary } = input;
  const room = roomBeside(prompts, budget) - costOf(question);
  if (room < 0) {
    throw new AppError('context_too_large', {
      detail: `They take ${budget - room} tokens; ${budget} are allowed.`,
    });
  }
  const whole = fit(input, room, null);
  return whole.dropped > 0 && summary !== null && costOf(summary) <= room ? fit(input, room, summary) : whole;
}

function fit(
  { prompts, history, pathLength, question, budget }: ContextInput,
  room: number,
  summary: Summary | null,
): Context {
  const summarised = summary?.messageCount ?? 0;
  const unsummarised = history.filter(({ position }) => position > summarised);
  let left = summary === null ? room : room - costOf(summary);
  const kept: PathEntry[] = [];
  for (const entry of unsummarised) {
    if (costOf(entry) > left) break;
    left -= costOf(entry);
    kept.push(entry);
  }
  // Its question found no room, or was older than what was read.
  for (let last = kept.at(-1); last?.message.role === 'assistant'; last = kept.at(-1)) {
    left += costOf(last);
    kept.pop();
  }
  const unread = Math.max(0, (unsummarised.at(-1)?.position ?? pathLength + 1) - 1 - summarised);
  const standIn = summary === null ? [] : [summaryMessage(summary.content)];
  return {
    messages: [
      ...prompts.map(({ message }) => message),
      ...standIn,
      ...kept.map(({ message }) => message).reverse(),
      question.message,
    ],
    messagesSent: kept.length + 1,
    summarised,
    dropped: unsummarised.length - kept.length + unread,
    inputTokens: budget - left,
  };
}
