import type { Encoding } from '../../../platform/tokens/vocabulary.js';
import type { ModelWindow } from '../../llm/public/model-windows.js';

/**
 * The share of the budget that is used for a model with an unknown tokenizer. Its tokens are estimated with OpenAI's
 * newest vocabulary; smaller vocabularies need up to two fifths more tokens for the same text in European languages
 * (samples in context-budget.spec.ts).
 */
export const UNKNOWN_TOKENIZER_SHARE = 0.7;

/** The vocabulary for counting when the model's own is unknown. */
const USUAL_ENCODING: Encoding = 'o200k_base';
/**
 * The least room for an answer, in tokens, for which a fallback is called when the request does not limit the answer.
 */
const SHORT_ANSWER = 500;

/**
 * How many input tokens a model may get: at most as configured, and few enough to leave room for the answer in its
 * window.
 * @param configured CONTEXT_TOKENS
 * @param answerTokens the longest answer that was requested; without it, the model's longest, but at most half its
 *   window, because some models may fill all of it
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

/** A context that was counted for one model, to be checked against another model. */
export interface SizedContext {
  readonly inputTokens: number;
  /** The vocabulary used for counting; null when the vocabulary of that model is unknown. */
  readonly encoding: Encoding | null;
  /** The requested limit of the answer, if any. */
  readonly answerTokens: number | undefined;
}

/** Whether the window of another model has room for the context and an answer. True for an unknown window. */
export function hasRoomFor(
  { inputTokens, encoding, answerTokens }: SizedContext,
  { contextWindow, encoding: own }: ModelWindow,
): boolean {
  if (contextWindow === null) return true;
  const share = own === (encoding ?? USUAL_ENCODING) ? 1 : UNKNOWN_TOKENIZER_SHARE;
  return inputTokens <= (contextWindow - (answerTokens ?? SHORT_ANSWER)) * share;
}
