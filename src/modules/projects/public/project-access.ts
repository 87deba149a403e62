import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { ProjectsRepository } from '../projects.repository.js';

/** Whether a project is the actor's. Both verbs run in the caller's unit of work and throw `not_found` when it is not. */
@Injectable()
export class ProjectAccess {
  constructor(private readonly projects: ProjectsRepository) {}

  async require(actor: Actor, projectId: string): Promise<void> {
    if ((await this.projects.find(actor.userId, projectId)) === null) throw new AppError('not_found');
  }

  /** Also holds the project until the unit of work ends: who changes an order must not meet another who does. */
  async lock(actor: Actor, projectId: string): Promise<void> {
    if ((await this.projects.findLocked(actor.userId, projectId)) === null) throw new AppError('not_found');
  }
}
