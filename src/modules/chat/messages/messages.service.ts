import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { ProjectAccess } from '../../projects/public/project-access.js';
import type { ListMessagesQuery, RateMessageRequest } from './message.dto.js';
import type { Message } from '../message.entity.js';
import { MessagesRepository } from './messages.repository.js';
import type { ChatSession } from '../sessions/chat-session.entity.js';
import { SessionsRepository } from '../sessions/sessions.repository.js';

export interface MessageInPlace {
  readonly message: Message;
  readonly siblingIds: string[];
}

@Injectable()
export class MessagesService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly messages: MessagesRepository,
    private readonly sessions: SessionsRepository,
    private readonly projects: ProjectAccess,
  ) {}

  /** Messages with their siblings. Reads one row more than `limit` when there is a next page. */
  list(
    actor: Actor,
    session: ChatSession,
    query: ListMessagesQuery,
    afterSeq: number | null,
  ): Promise<MessageInPlace[]> {
    const { userId } = actor;
    const { id: sessionId } = session;
    const range = { order: query.order, afterSeq, limit: query.limit + 1 };
    return this.unitOfWork.run(actor, async () => {
      if (query.leaf_id !== undefined) {
        const leaf = await this.messages.find(userId, query.leaf_id);
        if (leaf?.sessionId !== sessionId) throw AppError.notFound('?leaf_id');
      }
      const leafId = query.leaf_id ?? session.lastMessageId;
      // Without branches, the path to the newest message is simply all messages.
      const isPart = query.view === 'path' && leafId !== null && (session.isBranched || query.leaf_id !== undefined);
      const ids = isPart ? await this.messages.listPathIds(userId, sessionId, leafId, range) : undefined;
      const rows = await this.messages.list(userId, sessionId, range, ids);
      if (!session.isBranched) return rows.map((message) => ({ message, siblingIds: [message.id] }));
      const siblings = await this.messages.listSiblingIds(userId, sessionId, [
        ...new Set(rows.map(({ parentId }) => parentId)),
      ]);
      return rows.map((message) => ({ message, siblingIds: siblings.get(message.parentId) ?? [message.id] }));
    });
  }

  find(actor: Actor, id: string): Promise<Message | null> {
    return this.unitOfWork.run(actor, () => this.messages.find(actor.userId, id));
  }

  /** Only answers can be rated. */
  async rate(
    actor: Actor,
    { id, role, sessionId }: Message,
    { rating, comment }: RateMessageRequest,
  ): Promise<Message> {
    if (role !== 'assistant') throw AppError.invalid('/rating', 'can be given to an answer only');
    return this.unitOfWork.run(actor, async () => {
      const session = await this.sessions.find(actor.userId, sessionId);
      const contentKey = session === null ? null : await this.projects.contentKey(actor, session.projectId);
      await this.messages.rate(actor.userId, id, rating, comment ?? null, contentKey);
      return this.messages.get(actor.userId, id);
    });
  }

  async unrate(actor: Actor, id: string): Promise<void> {
    await this.unitOfWork.run(actor, () => this.messages.rate(actor.userId, id, null, null, null));
  }
}
