import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import type { ProviderName } from '../../../kernel/provider-name.js';
import { type ContentKey, ContentKeys } from '../../../platform/crypto/content-keys.js';
import { ProjectsRepository } from '../projects.repository.js';

/** The project that `@Owned('project_id')` passes to other modules. */
export interface FoundProject {
  readonly id: string;
  /** The provider; null: the server's default. */
  readonly provider: ProviderName | null;
}

/**
 * Checks that a project belongs to the actor. All methods run in the caller's unit of work and throw `not_found` if it
 * does not.
 */
@Injectable()
export class ProjectAccess {
  constructor(
    private readonly projects: ProjectsRepository,
    private readonly contentKeys: ContentKeys,
  ) {}

  async require(actor: Actor, projectId: string): Promise<void> {
    await this.projects.get(actor.userId, projectId);
  }

  /** The key that encrypts the project's content; null in a project without encryption. */
  async contentKey(actor: Pick<Actor, 'userId'>, projectId: string): Promise<ContentKey | null> {
    const project = await this.projects.get(actor.userId, projectId);
    if (!project.isContentEncrypted) return null;
    return this.contentKeys.get({ userId: actor.userId, projectId });
  }

  /** Also locks the project until the unit of work ends, so that concurrent reorderings are serialised. */
  async lock(actor: Actor, projectId: string): Promise<void> {
    if ((await this.projects.findForUpdate(actor.userId, projectId)) === null) throw new AppError('not_found');
  }
}
