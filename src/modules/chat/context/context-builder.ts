import { AppError } from '../../../kernel/errors/app-error.js';
import type { LlmMessage } from '../../llm/public/llm-provider.js';

/** A prompt or message that may go to the model, with its size as counted when it was written. */
export interface ContextEntry {
  readonly message: LlmMessage;
  readonly tokens: number;
}

export interface ContextInput {
  /** In the order of the project. */
  readonly prompts: readonly ContextEntry[];
  /** The path to the question, newest first. */
  readonly history: readonly ContextEntry[];
  readonly question: ContextEntry;
  /** Tokens for all of it together. */
  readonly budget: number;
}

export interface Context {
  readonly messages: readonly LlmMessage[];
  /** Our own count; the provider's may differ by its template. */
  readonly inputTokens: number;
  /** How many messages of the given history found no room. */
  readonly dropped: number;
}

// Chat templates wrap each message in a few tokens and open the answer with some more:
// https://github.com/openai/openai-cookbook, "How to count tokens with tiktoken".
export const PER_MESSAGE = 4;
export const PER_ANSWER = 3;

/** What a picture costs when nobody has counted it. */
export const IMAGE_TOKENS = 1000;

/**
 * What the model gets to read: all system prompts in order, as much of the newest history as fits, the question last.
 * History never begins with an answer whose question is missing. Throws `context_too_large` when even without history
 * it does not fit.
 */
export function buildContext({ prompts, history, question, budget }: ContextInput): Context {
  const cost = ({ tokens }: ContextEntry): number => tokens + PER_MESSAGE;
  let inputTokens = PER_ANSWER + cost(question) + prompts.reduce((sum, prompt) => sum + cost(prompt), 0);
  if (inputTokens > budget) {
    throw new AppError('context_too_large', { detail: `They take ${inputTokens} tokens; ${budget} are allowed.` });
  }
  const kept: ContextEntry[] = [];
  for (const entry of history) {
    if (inputTokens + cost(entry) > budget) break;
    inputTokens += cost(entry);
    kept.push(entry);
  }
  // Its question found no room, or was older than what was read.
  while (kept.at(-1)?.message.role === 'assistant') {
    inputTokens -= cost(kept.pop() as ContextEntry);
  }
  const messages = [...prompts, ...kept.reverse(), question].map(({ message }) => message);
  return { messages, inputTokens, dropped: history.length - kept.length };
}
