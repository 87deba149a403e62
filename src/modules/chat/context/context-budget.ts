import type { ModelWindow } from '../../llm/public/model-windows.js';

/**
 * How much of the budget is used when the model's own way to count is not known: its tokens are estimated by OpenAI's newest
 * vocabulary, and smaller ones need up to two fifths more for the same text of European languages
 * (context-budget.spec.ts has samples).
 */
export const UNKNOWN_TOKENIZER_SHARE = 0.7;

/**
 * How many tokens a model may be given to read: as many as config allows, and as leave room in its window for the answer.
 * @param configured CONTEXT_TOKENS
 * @param answerTokens the longest answer that was asked for; without it, the model's longest, but at most half its window,
 *   since some may fill all of it
 */
export function contextBudget(
  configured: number,
  { contextWindow, maxOutputTokens, encoding }: ModelWindow,
  answerTokens: number | undefined,
): number {
  const share = encoding === null ? UNKNOWN_TOKENIZER_SHARE : 1;
  if (contextWindow === null) return Math.floor(configured * share);
  const reserved = answerTokens ?? Math.min(maxOutputTokens ?? Infinity, Math.floor(contextWindow / 2));
  return Math.floor(Math.max(0, Math.min(configured, contextWindow - reserved)) * share);
}
