import { newId } from '../../../kernel/ids.js';
import type { ContentKey } from '../../../platform/crypto/content-keys.js';
import type { Statement } from '../../../platform/database/statement.js';
import type { Message } from '../messages/message.entity.js';
import { emptyMessage, type MessageContent, type OpenedRow, type TurnPlace } from './open-turn.js';
import { sealContent } from './sealed-content.js';
import * as sql from './turn-statements.js';

/** What is sent ahead of OPEN; null in a new session, where there is nobody to wait for. */
export function lockOf(userId: string, place: TurnPlace): Statement | null {
  return 'sessionId' in place ? { ...sql.LOCK_SESSION, values: [userId, place.sessionId] } : null;
}

/**
 * OPEN of a question.
 * @param claim the values that all ways to open a turn begin with
 * @param key by which the question is stored; null when that is plain
 */
export function openStatement(
  place: TurnPlace,
  claim: readonly unknown[],
  questionId: string,
  given: MessageContent,
  key: ContentKey | null,
): Statement {
  const { content, parts, sealed } = sealContent(key, questionId, given);
  const asked = [questionId, content, parts === null ? null : JSON.stringify(parts), given.tokens];
  // What names the session by itself is stored readable, and would be words of the conversation.
  const title = key === null ? given.title : null;
  if (!('sessionId' in place))
    return { ...sql.OPEN_IN_NEW_SESSION, values: [...claim, ...asked, newId(), title, sealed] };
  const parent = [place.parentId !== undefined, place.parentId ?? null];
  return { ...sql.OPEN_IN_SESSION, values: [...claim, ...asked, place.sessionId, title, sealed, ...parent] };
}

/** The question as it has been stored. */
export function toQuestion(userId: string, id: string, row: OpenedRow, given: MessageContent): Message {
  // Assigned, not spread: V8 gives each wide object that is spread a hidden class of its own, 0.8 KB for as long as it lives.
  return Object.assign(emptyMessage(userId, id, row), {
    parentId: row.parentId,
    seq: row.seq - 1,
    role: 'user' as const,
    content: given.content,
    parts: given.parts,
    contentTokens: given.tokens,
    status: 'completed' as const,
    completedAt: row.createdAt,
  });
}
