import { Injectable } from '@nestjs/common';
import { Brackets, type QueryDeepPartialEntity } from 'typeorm';
import { AppError } from '../../../kernel/errors/app-error.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { TurnRemoval } from '../../projects/public/turn-removal.js';
import { ChatSession } from './chat-session.entity.js';

export type NewSession = Pick<ChatSession, 'userId' | 'id' | 'projectId' | 'title' | 'isTitleGiven' | 'metadata'>;

export interface SessionChanges {
  title?: string | null;
  metadata?: Record<string, unknown>;
  isArchived?: boolean;
  isPinned?: boolean;
}

export interface SessionFilter {
  readonly isArchived?: boolean | undefined;
  /** A text that the title must contain, ignoring case. */
  readonly title?: string | undefined;
}

/** A page of sessions begins after the one with this activity and id. */
export interface SessionPosition {
  readonly lastActiveAt: string;
  readonly id: string;
}

@Injectable()
export class SessionsRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly turns: TurnRemoval,
  ) {}

  find(userId: string, id: string): Promise<ChatSession | null> {
    return this.unitOfWork.repository(ChatSession).findOneBy({ userId, id });
  }

  /** Throws `not_found` when the session is not the user's. */
  async get(userId: string, id: string): Promise<ChatSession> {
    const session = await this.find(userId, id);
    if (session === null) throw new AppError('not_found');
    return session;
  }

  /** Like `find`, and locks the row until the unit of work ends. */
  findForUpdate(userId: string, id: string): Promise<ChatSession | null> {
    return this.unitOfWork
      .repository(ChatSession)
      .findOne({ where: { userId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** Latest activity first. */
  list(
    userId: string,
    projectId: string,
    { isArchived, title }: SessionFilter,
    after: SessionPosition | null,
    limit: number,
  ): Promise<ChatSession[]> {
    const query = this.unitOfWork
      .repository(ChatSession)
      .createQueryBuilder('s')
      .where('s.user_id = :userId and s.project_id = :projectId', { userId, projectId })
      .orderBy('s.last_active_at', 'DESC')
      .addOrderBy('s.id', 'DESC')
      .limit(limit);
    // No full-text index: scanning the tenant's sessions of the project in order is fast enough (docs/performance.md,
    // growth). `position` has no wildcards, so nothing needs escaping.
    if (title !== undefined) query.andWhere('position(lower(:title) in lower(s.title)) > 0', { title });
    if (isArchived !== undefined) query.andWhere(isArchived ? 's.archived_at is not null' : 's.archived_at is null');
    if (after !== null) {
      query.andWhere(
        new Brackets((place) =>
          place.where('(s.last_active_at, s.id) < (:lastActiveAt::timestamptz, :id::uuid)', after),
        ),
      );
    }
    return query.getMany();
  }

  async insert(session: NewSession): Promise<void> {
    await this.unitOfWork.repository(ChatSession).insert(session as QueryDeepPartialEntity<ChatSession>);
  }

  async update(userId: string, id: string, { isArchived, isPinned, ...columns }: SessionChanges): Promise<void> {
    const now = (): string => 'now()';
    await this.unitOfWork.repository(ChatSession).update(
      { userId, id },
      {
        ...(columns as QueryDeepPartialEntity<ChatSession>),
        ...(isArchived === undefined ? {} : { archivedAt: isArchived ? now : null }),
        ...(isPinned === undefined ? {} : { pinnedAt: isPinned ? now : null }),
        ...(columns.title === undefined ? {} : { isTitleGiven: columns.title !== null }),
        version: () => 'version + 1',
      },
    );
  }

  /** Sets a generated title, unless the user gave one. */
  async suggestTitle(userId: string, id: string, title: string): Promise<void> {
    await this.unitOfWork.repository(ChatSession).update({ userId, id, isTitleGiven: false }, { title });
  }

  async remove(userId: string, id: string): Promise<void> {
    await this.turns.removeTurns(userId, { sessionId: id });
    await this.unitOfWork.repository(ChatSession).delete({ userId, id });
  }
}
