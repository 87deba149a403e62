import type { LlmUsage } from '../public/llm-provider.js';
import { isJsonObject, type JsonObject } from './json-fields.js';
import type { Redact } from './openai-errors.js';

/** How one server's answers are to be read. */
export interface AnswerDialect {
  /** Null when the object tells nothing. */
  readonly usageOf: (usage: JsonObject) => LlmUsage | null;
  readonly redact: Redact;
  /** Characters of text and tool arguments after which the answer is cut; reasoning may be as long again. */
  readonly maxAnswerChars: number;
}

/**
 * The most that a frame, or a body of JSON, may have before its end is seen. It may hold a whole answer, UTF-8 takes up to 3
 * bytes for a UTF-16 unit and JSON's \uXXXX 6 characters; half of the rest is more than any envelope.
 */
export function maxBodyChars({ maxAnswerChars }: AnswerDialect): number {
  return 6 * maxAnswerChars + 1024 * 1024;
}

/** Of several answers to one question, which nobody asks for, the first is read. */
export function firstChoice({ choices }: JsonObject): unknown {
  return Array.isArray(choices) ? choices.find((choice) => !isJsonObject(choice) || !isLater(choice.index)) : undefined;
}

function isLater(index: unknown): boolean {
  return typeof index === 'number' && index !== 0;
}
