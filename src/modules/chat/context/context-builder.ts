import { AppError } from '../../../kernel/errors/app-error.js';
import type { LlmMessage } from '../../llm/public/llm-provider.js';
import type { ContextFacts } from '../message.entity.js';
import { type ContextEntry, PER_ANSWER, PER_MESSAGE, type PathEntry, type Summary } from '../turn.js';

export interface ContextInput {
  /** In the order of the project. */
  readonly prompts: readonly ContextEntry[];
  /** The newest part of the path to the question, newest first. */
  readonly history: readonly PathEntry[];
  /** The number of messages on the path, without the question. */
  readonly pathLength: number;
  /** A summary that can replace the beginning of the path when the whole path does not fit. */
  readonly summary: Summary | null;
  readonly question: ContextEntry;
  /** The limit for everything together, in tokens. */
  readonly budget: number;
}

export interface Context extends ContextFacts {
  readonly messages: readonly LlmMessage[];
}

/** The assumed size of an image, in tokens. */
export const IMAGE_TOKENS = 1000;

/** The tokens of an entry, with those that the chat template adds. */
export const costOf = ({ tokens }: Pick<ContextEntry, 'tokens'>): number => tokens + PER_MESSAGE;

/** The tokens that remain for the question and the history. */
export const roomBeside = (prompts: readonly ContextEntry[], budget: number): number =>
  prompts.reduce((room, prompt) => room - costOf(prompt), budget - PER_ANSWER);

/** A summary as the model reads it. It is not a user message, because user and assistant messages must alternate. */
export function summaryMessage(content: string): LlmMessage & { readonly content: string } {
  return { role: 'system', content: `What was said before, in short:\n\n${content}` };
}

/**
 * Builds the input of the model: all system prompts in order, the whole history or as much of its newest part as fits,
 * and the question last. If messages must be left out and there is a summary, the summary comes before the messages
 * that it does not cover. The history never begins with an answer whose question is missing. Throws `context_too_large`
 * when prompts and question do not fit even without history.
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
  // The question of this answer had no room or was not read.
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
