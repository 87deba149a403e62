import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import type { ProviderName } from '../../../kernel/provider-name.js';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import { ProjectsRepository } from '../projects.repository.js';

/** What `@Owned('project_id')` hands to other modules. */
export interface FoundProject {
  readonly id: string;
  /** Whose models answer; null: the server's default. */
  readonly provider: ProviderName | null;
}

/** Whether a project is the actor's. All verbs run in the caller's unit of work and throw `not_found` when it is not. */
@Injectable()
export class ProjectAccess {
  constructor(
    private readonly projects: ProjectsRepository,
    private readonly contentKeys: ContentKeys,
  ) {}

  async require(actor: Actor, projectId: string): Promise<void> {
    await this.projects.get(actor.userId, projectId);
  }

  /** The key by which what is said in the project is stored; null when that is plain. */
  async contentKey(actor: Pick<Actor, 'userId'>, projectId: string): Promise<ContentKey | null> {
    const project = await this.projects.get(actor.userId, projectId);
    if (!project.isContentEncrypted) return null;
    return this.contentKeys.get({ userId: actor.userId, projectId });
  }

  /** Also holds the project until the unit of work ends: who changes an order must not meet another who does. */
  async lock(actor: Actor, projectId: string): Promise<void> {
    if ((await this.projects.findForUpdate(actor.userId, projectId)) === null) throw new AppError('not_found');
  }
}
