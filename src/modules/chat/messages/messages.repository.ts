import { Injectable } from '@nestjs/common';
import { In, IsNull, LessThan, MoreThan } from 'typeorm';
import { AppError } from '../../../kernel/errors/app-error.js';
import type { ContentKey } from '../../../platform/crypto/content-keys.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { Message } from '../message.entity.js';
import { encryptComment, EncryptedContent } from '../storage/encrypted-content.js';

const MAX_SEQ = 2_147_483_647;

export interface MessageRange {
  readonly order: 'asc' | 'desc';
  /** The page begins after this sequence number; null: at the start. */
  readonly afterSeq: number | null;
  readonly limit: number;
}

@Injectable()
export class MessagesRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly contents: EncryptedContent,
  ) {}

  async find(userId: string, id: string): Promise<Message | null> {
    const message = await this.unitOfWork.repository(Message).findOneBy({ userId, id });
    if (message !== null) await this.contents.decrypt(userId, [message]);
    return message;
  }

  /** Throws `not_found` when the message is not the user's. */
  async get(userId: string, id: string): Promise<Message> {
    const message = await this.find(userId, id);
    if (message === null) throw new AppError('not_found');
    return message;
  }

  /** Messages by sequence number, ascending or descending; all of the session, or only the given ids. */
  async list(userId: string, sessionId: string, page: MessageRange, ids?: readonly string[]): Promise<Message[]> {
    const { order, afterSeq, limit } = page;
    const rows = await this.unitOfWork.repository(Message).find({
      where: {
        userId,
        sessionId,
        ...(afterSeq === null ? {} : { seq: order === 'asc' ? MoreThan(afterSeq) : LessThan(afterSeq) }),
        ...(ids === undefined ? {} : { id: In([...ids]) }),
      },
      order: { seq: order === 'asc' ? 'ASC' : 'DESC' },
      take: limit,
    });
    await this.contents.decrypt(userId, rows);
    return rows;
  }

  /**
   * The ids of one page of the path from the beginning to a message. For a page backwards in time, the walk from child
   * to parent ends with the page; for a page forwards, it has to start at the leaf.
   */
  async listPathIds(
    userId: string,
    sessionId: string,
    leafId: string,
    { order, afterSeq, limit }: MessageRange,
  ): Promise<string[]> {
    const rows = await this.unitOfWork.query<{ id: string }>(
      `with recursive path as (
         select id, parent_id, seq from messages where user_id = $1 and session_id = $2 and id = $3
         union all
         select m.id, m.parent_id, m.seq from path p join messages m on m.user_id = $1 and m.id = p.parent_id
       ), page as (
         select id, seq from path where ${order === 'asc' ? 'seq > $4' : 'seq < $4'} ${order === 'asc' ? 'order by seq' : ''} limit $5
       )
       select id from page`,
      [userId, sessionId, leafId, afterSeq ?? (order === 'asc' ? 0 : MAX_SEQ), limit],
    );
    return rows.map(({ id }) => id);
  }

  /** The siblings of messages in order of creation, by parent (null: the beginning). */
  async listSiblingIds(
    userId: string,
    sessionId: string,
    parentIds: readonly (string | null)[],
  ): Promise<Map<string | null, string[]>> {
    const ofParents = parentIds.filter((id) => id !== null);
    const rows = await this.unitOfWork.repository(Message).find({
      select: { userId: true, id: true, parentId: true },
      where: [
        { userId, sessionId, parentId: In(ofParents) },
        ...(ofParents.length < parentIds.length ? [{ userId, sessionId, parentId: IsNull() }] : []),
      ],
      order: { seq: 'ASC' },
    });
    const siblings = new Map<string | null, string[]>();
    for (const { parentId, id } of rows) siblings.set(parentId, [...(siblings.get(parentId) ?? []), id]);
    return siblings;
  }

  /** @param contentKey encrypts the comment; null in a project without encryption */
  async rate(
    userId: string,
    id: string,
    rating: Message['feedbackRating'],
    comment: string | null,
    contentKey: ContentKey | null,
  ): Promise<void> {
    await this.unitOfWork
      .repository(Message)
      .update({ userId, id }, { feedbackRating: rating, ...encryptComment(contentKey, id, comment) });
  }
}
