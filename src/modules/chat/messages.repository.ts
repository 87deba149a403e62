import { Injectable } from '@nestjs/common';
import { LessThan, MoreThan } from 'typeorm';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Message } from './message.entity.js';

@Injectable()
export class MessagesRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  find(userId: string, id: string): Promise<Message | null> {
    return this.unitOfWork.repository(Message).findOneBy({ userId, id });
  }

  /** In the order of their making or against it, from a sequence number on. */
  list(
    userId: string,
    sessionId: string,
    order: 'asc' | 'desc',
    afterSeq: number | null,
    limit: number,
  ): Promise<Message[]> {
    const place = afterSeq === null ? {} : { seq: order === 'asc' ? MoreThan(afterSeq) : LessThan(afterSeq) };
    return this.unitOfWork.repository(Message).find({
      where: { userId, sessionId, ...place },
      order: { seq: order === 'asc' ? 'ASC' : 'DESC' },
      take: limit,
    });
  }

  async rate(userId: string, id: string, rating: Message['feedbackRating'], comment: string | null): Promise<void> {
    await this.unitOfWork
      .repository(Message)
      .update({ userId, id }, { feedbackRating: rating, feedbackComment: comment });
  }
}
