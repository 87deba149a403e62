import type { Message } from '../message.entity.js';

type Property = keyof Message;

/** Grouped into the lines of the generated SQL. */
const LINES = [
  ['userId', 'id', 'sessionId', 'parentId', 'pathLength', 'seq', 'role', 'content', 'parts'],
  ['contentTokens', 'status', 'attempt', 'finishReason', 'provider', 'model'],
  ['generationId', 'inputTokens', 'outputTokens'],
  ['cachedInputTokens', 'isUsageEstimated'],
  ['costMicroUsd', 'errorCode', 'errorDetail', 'context'],
  ['feedbackRating', 'feedbackComment', 'sealed', 'sealedComment'],
  ['createdAt', 'completedAt'],
] as const satisfies readonly (readonly Property[])[];

type Forgotten = Exclude<Property, (typeof LINES)[number][number]>;

/** Every column of a message, by property name. Does not compile when one is missing in `LINES`. */
export const MESSAGE_COLUMNS: [Forgotten] extends [never] ? readonly Property[] : Forgotten = LINES.flat();

/** The select list for a message. */
export const SELECT_MESSAGE = LINES.map((line) => line.map(selected).join(', ')).join(',\n  ');

function selected(property: Property): string {
  const column = property.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  // pg reads a bigint as text.
  if (property === 'costMicroUsd') return `${column}::float8 as "${property}"`;
  return column === property ? column : `${column} as "${property}"`;
}

/** The fields that a message has from the beginning. */
type Begun = Pick<Message, 'sessionId' | 'createdAt'>;

/** A message without content. */
export function emptyMessage(
  userId: string,
  id: string,
  { sessionId, createdAt }: Begun,
): Omit<Message, 'role' | 'status' | 'seq'> {
  return {
    userId,
    id,
    sessionId,
    parentId: null,
    pathLength: null,
    content: '',
    parts: null,
    contentTokens: null,
    attempt: 1,
    finishReason: null,
    provider: null,
    model: null,
    generationId: null,
    inputTokens: null,
    outputTokens: null,
    cachedInputTokens: null,
    isUsageEstimated: false,
    costMicroUsd: null,
    errorCode: null,
    errorDetail: null,
    context: null,
    feedbackRating: null,
    feedbackComment: null,
    sealed: null,
    sealedComment: null,
    createdAt,
    completedAt: null,
  };
}
