import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { newId } from '../../../kernel/ids.js';
import { AuditLog } from '../../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { requireVersion } from '../../../platform/http/etag.js';
import { ProjectAccess } from '../../projects/public/project-access.js';
import type { ChatSession } from './chat-session.entity.js';
import type { CreateSessionRequest, ListSessionsQuery, UpdateSessionRequest } from './session.dto.js';
import { type SessionPosition, SessionsRepository } from './sessions.repository.js';

@Injectable()
export class SessionsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly sessions: SessionsRepository,
    private readonly projects: ProjectAccess,
    private readonly audit: AuditLog,
  ) {}

  /** Latest activity first. Reads one row more than `limit` when there is a next page. */
  list(actor: Actor, query: ListSessionsQuery, after: SessionPosition | null): Promise<ChatSession[]> {
    return this.unitOfWork.run(actor, async () => {
      await this.projects.require(actor, query.project_id);
      const { project_id: projectId, archived, q, limit } = query;
      return this.sessions.list(actor.userId, projectId, { isArchived: archived, title: q }, after, limit + 1);
    });
  }

  create(actor: Actor, { project_id: projectId, title, metadata }: CreateSessionRequest): Promise<ChatSession> {
    const id = newId();
    return this.unitOfWork.run(actor, async () => {
      await this.projects.require(actor, projectId);
      await this.sessions.insert({
        userId: actor.userId,
        id,
        projectId,
        title: title ?? null,
        isTitleGiven: title != null,
        metadata: metadata ?? {},
      });
      return this.sessions.get(actor.userId, id);
    });
  }

  find(actor: Actor, id: string): Promise<ChatSession | null> {
    return this.unitOfWork.run(actor, () => this.sessions.find(actor.userId, id));
  }

  update(
    actor: Actor,
    id: string,
    ifMatch: readonly number[] | null,
    request: UpdateSessionRequest,
  ): Promise<ChatSession> {
    const { archived, pinned, ...columns } = request;
    return this.unitOfWork.run(actor, async () => {
      await this.lock(actor, id, ifMatch);
      if (Object.keys(request).length > 0) {
        await this.sessions.update(actor.userId, id, { ...columns, isArchived: archived, isPinned: pinned });
      }
      return this.sessions.get(actor.userId, id);
    });
  }

  async remove(actor: Actor, id: string, ifMatch: readonly number[] | null): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      await this.lock(actor, id, ifMatch);
      await this.sessions.remove(actor.userId, id);
      await this.audit.record(actor, 'session.deleted', { subjectId: id });
    });
  }

  /** Locks the session. Throws `not_found`, and `precondition_failed` when the version differs. */
  private async lock(actor: Actor, id: string, ifMatch: readonly number[] | null): Promise<void> {
    const session = await this.sessions.findForUpdate(actor.userId, id);
    if (session === null) throw new AppError('not_found');
    requireVersion(ifMatch, session);
  }
}
