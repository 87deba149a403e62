import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { newId } from '../../kernel/ids.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { ContentKeys } from '../../platform/crypto/content-keys.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { requireVersion } from '../../platform/http/etag.js';
import type { CreateProjectRequest, UpdateProjectRequest } from './project.dto.js';
import type { Project } from './project.entity.js';
import type { Fallback } from './public/fallback.dto.js';
import { type ProjectChanges, ProjectsRepository } from './projects.repository.js';

@Injectable()
export class ProjectsService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly projects: ProjectsRepository,
    private readonly contentKeys: ContentKeys,
    private readonly audit: AuditLog,
  ) {}

  /** Newest first. Reads one row more than `limit` when there is a next page. */
  list(actor: Actor, beforeId: string | null, limit: number): Promise<Project[]> {
    return this.unitOfWork.run(actor, () => this.projects.list(actor.userId, beforeId, limit + 1));
  }

  create(actor: Actor, request: CreateProjectRequest): Promise<Project> {
    if (actor.projectId !== null)
      throw new AppError('insufficient_scope', { detail: 'The API key is bound to one project.' });
    const id = newId();
    return this.unitOfWork.run(actor, async () => {
      await this.projects.insert({
        userId: actor.userId,
        id,
        name: request.name,
        description: request.description ?? null,
        provider: request.provider ?? null,
        model: request.model ?? null,
        fallbacks: toFallbacks(request.fallbacks ?? []),
        params: request.params ?? {},
        onConflict: request.on_conflict ?? 'reject',
        onCrash: request.on_crash ?? 'retry',
        retentionDays: request.retention_days ?? null,
        requestsPerMinute: request.requests_per_minute ?? null,
        tokensPerMinute: request.tokens_per_minute ?? null,
        isContentEncrypted: request.encrypt_content ?? false,
        contextOverflow: request.context_overflow ?? 'drop',
      });
      if (request.encrypt_content === true) await this.contentKeys.make({ userId: actor.userId, projectId: id });
      await this.audit.record(actor, 'project.created', { subjectId: id });
      return this.projects.get(actor.userId, id);
    });
  }

  find(actor: Actor, id: string): Promise<Project | null> {
    return this.unitOfWork.run(actor, () => this.projects.find(actor.userId, id));
  }

  update(actor: Actor, id: string, ifMatch: readonly number[] | null, request: UpdateProjectRequest): Promise<Project> {
    return this.unitOfWork.run(actor, async () => {
      const project = await this.lock(actor, id, ifMatch);
      if ((request.encrypt_content ?? project.isContentEncrypted) !== project.isContentEncrypted) {
        throw AppError.invalid('/encrypt_content', 'is decided when a project is made: what is stored stays as it is');
      }
      const fields = Object.keys(request);
      if (fields.length > 0) {
        await this.projects.update(actor.userId, id, toChanges(request));
        await this.audit.record(actor, 'project.changed', { subjectId: id, fields });
      }
      return this.projects.get(actor.userId, id);
    });
  }

  /** Deletes the project with its prompts, sessions and messages, which the foreign keys delete. */
  async remove(actor: Actor, id: string, ifMatch: readonly number[] | null): Promise<void> {
    await this.unitOfWork.run(actor, async () => {
      await this.lock(actor, id, ifMatch);
      await this.projects.remove(actor.userId, id);
      await this.audit.record(actor, 'project.deleted', { subjectId: id });
    });
  }

  /** Locks the project. Throws `not_found`, and `precondition_failed` when the version differs. */
  private async lock(actor: Actor, id: string, ifMatch: readonly number[] | null): Promise<Project> {
    const project = await this.projects.findForUpdate(actor.userId, id);
    if (project === null) throw new AppError('not_found');
    requireVersion(ifMatch, project);
    return project;
  }
}

/** Undefined fields are not changed, because TypeORM ignores them. `params: null` clears the params. */
function toChanges({
  on_conflict: onConflict,
  on_crash: onCrash,
  retention_days: retentionDays,
  requests_per_minute: requestsPerMinute,
  tokens_per_minute: tokensPerMinute,
  context_overflow: contextOverflow,
  fallbacks,
  encrypt_content: _,
  params,
  ...same
}: UpdateProjectRequest): ProjectChanges {
  const renamed = { onConflict, onCrash, retentionDays, requestsPerMinute, tokensPerMinute, contextOverflow };
  return {
    ...same,
    ...renamed,
    ...(fallbacks === undefined ? {} : { fallbacks: toFallbacks(fallbacks) }),
    ...(params === undefined ? {} : { params: params ?? {} }),
  };
}

function toFallbacks(fallbacks: readonly Fallback[]): Fallback[] {
  return fallbacks.map(({ provider, model }) => ({ provider, model: model ?? null }));
}
