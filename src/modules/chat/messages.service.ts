import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { ListMessagesQuery, RateMessageRequest } from './message.dto.js';
import type { Message } from './message.entity.js';
import { MessagesRepository } from './messages.repository.js';
import { SessionsRepository } from './sessions.repository.js';

@Injectable()
export class MessagesService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly messages: MessagesRepository,
    private readonly sessions: SessionsRepository,
  ) {}

  /** One row more than `limit` says that there is a next page. */
  list(
    actor: Actor,
    sessionId: string,
    { order, limit }: ListMessagesQuery,
    afterSeq: number | null,
  ): Promise<Message[]> {
    return this.unitOfWork.run(actor, async () => {
      if ((await this.sessions.find(actor.userId, sessionId)) === null) throw new AppError('not_found');
      return this.messages.list(actor.userId, sessionId, order, afterSeq, limit + 1);
    });
  }

  get(actor: Actor, id: string): Promise<Message> {
    return this.unitOfWork.run(actor, () => this.require(actor, id));
  }

  /** Feedback is about answers. */
  rate(actor: Actor, id: string, { rating, comment }: RateMessageRequest): Promise<Message> {
    return this.unitOfWork.run(actor, async () => {
      const { role } = await this.require(actor, id);
      if (role !== 'assistant') throw AppError.invalid('/rating', 'can be given to an answer only');
      await this.messages.rate(actor.userId, id, rating, comment ?? null);
      return this.require(actor, id);
    });
  }

  async unrate(actor: Actor, id: string): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      await this.require(actor, id);
      await this.messages.rate(actor.userId, id, null, null);
    });
  }

  private async require(actor: Actor, id: string): Promise<Message> {
    const message = await this.messages.find(actor.userId, id);
    if (message === null) throw new AppError('not_found');
    return message;
  }
}
