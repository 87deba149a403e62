import { Injectable } from '@nestjs/common';
import { type ContentKey, ContentKeys, projectOf } from '../../../platform/crypto/content-keys.js';
import type { SecretPlace } from '../../../platform/crypto/envelope.js';
import type { Message } from '../message.entity.js';

type Content = Pick<Message, 'content' | 'parts'>;

/** A row of a statement that may contain encrypted content. Most rows have nothing to decrypt. */
export interface EncryptableRow {
  id?: string;
  role?: string;
  sealed?: Buffer | null;
  sealedComment?: Buffer | null;
  messageId?: string;
  /** The pieces of a running answer in order, with their attempt and offsets. */
  sealedText?: Buffer[] | null;
  sealedAt?: number[];
  sealedAttempt?: number;
}

const ofContent = (id: string): SecretPlace => ({ table: 'messages', column: 'sealed', ids: [id] });
const ofSummary = (messageId: string): SecretPlace => ({
  table: 'session_summaries',
  column: 'sealed',
  ids: [messageId],
});
const ofComment = (id: string): SecretPlace => ({ table: 'messages', column: 'sealed_comment', ids: [id] });
const ofText = (messageId: string, attempt: number, offset: number): SecretPlace => ({
  table: 'turn_chunks',
  column: 'sealed',
  ids: [messageId, String(attempt), String(offset)],
});

/** Encrypts the content of a message for storage; unchanged without a key. */
export function encryptContent(
  key: ContentKey | null,
  id: string,
  { content, parts }: Content,
): Content & { sealed: Buffer | null } {
  if (key === null) return { content, parts, sealed: null };
  return { content: '', parts: null, sealed: key.encrypt(ofContent(id), { content, parts }) };
}

/** Encrypts a summary of the path up to a message for storage; unchanged without a key. */
export function encryptSummary(
  key: ContentKey | null,
  messageId: string,
  content: string,
): { content: string; sealed: Buffer | null } {
  return key === null
    ? { content, sealed: null }
    : { content: '', sealed: key.encrypt(ofSummary(messageId), { content }) };
}

/** Encrypts a comment on a message for storage; unchanged without a key. */
export function encryptComment(
  key: ContentKey | null,
  id: string,
  comment: string | null,
): Pick<Message, 'feedbackComment' | 'sealedComment'> {
  if (key === null || comment === null) return { feedbackComment: comment, sealedComment: null };
  return { feedbackComment: null, sealedComment: key.encrypt(ofComment(id), { feedback_comment: comment }) };
}

/** Encrypts a piece of a running answer; null without a key. */
export function encryptText(
  key: ContentKey | null,
  messageId: string,
  attempt: number,
  offset: number,
  text: string,
): Buffer | null {
  return key?.encrypt(ofText(messageId, attempt, offset), { text }) ?? null;
}

/** Decrypts rows. All code that reads conversations uses this class. */
@Injectable()
export class EncryptedContent {
  constructor(private readonly contentKeys: ContentKeys) {}

  /** Replaces encrypted columns by their plain values, in the given rows. Costs nothing when all rows are plain. */
  async decrypt(userId: string, rows: readonly EncryptableRow[]): Promise<void> {
    const encrypted = rows.filter(isEncrypted);
    if (encrypted.length === 0) return;
    const boxes = encrypted.flatMap((row) => [row.sealed ?? [], row.sealedComment ?? [], row.sealedText ?? []].flat());
    const keys = await this.contentKeys.ofEncrypted(userId, boxes);
    for (const row of encrypted) decryptRow(row, (box) => keys.get(projectOf(box)) as ContentKey);
  }
}

function isEncrypted({ sealed, sealedComment, sealedText }: EncryptableRow): boolean {
  return sealed != null || sealedComment != null || sealedText != null;
}

function decryptRow(row: EncryptableRow, keyOf: (box: Buffer) => ContentKey): void {
  const { id = '', role, messageId = '', sealed, sealedComment, sealedText, sealedAt = [], sealedAttempt = 1 } = row;
  if (sealed != null) {
    const place = role === 'summary' ? ofSummary(id) : ofContent(id);
    Object.assign(row, { parts: null }, keyOf(sealed).decrypt(place, sealed), { sealed: null });
  }
  if (sealedComment != null) {
    const { feedback_comment: comment } = keyOf(sealedComment).decrypt(ofComment(id), sealedComment);
    Object.assign(row, { feedbackComment: comment, sealedComment: null });
  }
  if (sealedText != null) {
    const pieces = sealedText.map(
      (box, i) => keyOf(box).decrypt(ofText(messageId, sealedAttempt, sealedAt[i] ?? 0), box).text,
    );
    Object.assign(row, { text: pieces.join(''), sealedText: null });
  }
}
