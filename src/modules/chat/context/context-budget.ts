import type { Encoding } from '../../../platform/tokens/vocabulary.js';
import type { ModelWindow } from '../../llm/public/model-windows.js';

/**
 * How much of the budget is used when the model's own way to count is not known: its tokens are estimated by OpenAI's newest
 * vocabulary, and smaller ones need up to two fifths more for the same text of European languages
 * (context-budget.spec.ts has samples).
 */
export const UNKNOWN_TOKENIZER_SHARE = 0.7;

/** The vocabulary that sizes are counted by where the model's own is not known. */
const USUAL_ENCODING: Encoding = 'o200k_base';
/** How short an answer may have to be, where none was asked for, before a fallback is not worth asking: tokens. */
const SHORT_ANSWER = 500;

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

/** A context that was sized for one model, as another one sees it. */
export interface SizedContext {
  readonly inputTokens: number;
  /** What they were counted by; null where the vocabulary of that model is not known. */
  readonly encoding: Encoding | null;
  /** The longest answer that will be asked for, if any is. */
  readonly answerTokens: number | undefined;
}

/** Whether another model, too, has room for a context and an answer. One whose window is not known is taken to have it. */
export function hasRoomFor(
  { inputTokens, encoding, answerTokens }: SizedContext,
  { contextWindow, encoding: own }: ModelWindow,
): boolean {
  if (contextWindow === null) return true;
  const share = own === (encoding ?? USUAL_ENCODING) ? 1 : UNKNOWN_TOKENIZER_SHARE;
  return inputTokens <= (contextWindow - (answerTokens ?? SHORT_ANSWER)) * share;
}
