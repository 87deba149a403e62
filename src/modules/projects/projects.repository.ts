import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import { AppError } from '../../kernel/errors/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Project } from './project.entity.js';
import { TurnRemoval } from './public/turn-removal.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

// The parent vanished between the check and the write.
nameConstraints({ fk_projects_user_id: 'unauthenticated' });

type Writable =
  | 'name'
  | 'description'
  | 'provider'
  | 'model'
  | 'fallbacks'
  | 'params'
  | 'onConflict'
  | 'onCrash'
  | 'retentionDays'
  | 'requestsPerMinute'
  | 'tokensPerMinute'
  | 'contextOverflow';
export type NewProject = Pick<Project, 'userId' | 'id' | 'isContentEncrypted' | Writable>;
export type ProjectChanges = Partial<Pick<Project, Writable>>;

@Injectable()
export class ProjectsRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly turns: TurnRemoval,
  ) {}

  find(userId: string, id: string): Promise<Project | null> {
    return this.unitOfWork.repository(Project).findOneBy({ userId, id });
  }

  /** Throws `not_found`. */
  async get(userId: string, id: string): Promise<Project> {
    const project = await this.find(userId, id);
    if (project === null) throw new AppError('not_found');
    return project;
  }

  /** Like `find`, and locks the row until the unit of work ends, so changes inside the project are serialised. */
  findForUpdate(userId: string, id: string): Promise<Project | null> {
    return this.unitOfWork.repository(Project).findOne({ where: { userId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** Newest first; ids increase with time. */
  list(userId: string, beforeId: string | null, limit: number): Promise<Project[]> {
    return this.unitOfWork.repository(Project).find({
      where: { userId, ...(beforeId === null ? {} : { id: LessThan(beforeId) }) },
      order: { id: 'DESC' },
      take: limit,
    });
  }

  async insert(project: NewProject): Promise<void> {
    await this.unitOfWork.repository(Project).insert(project);
  }

  async update(userId: string, id: string, changes: ProjectChanges): Promise<void> {
    await this.unitOfWork
      .repository(Project)
      .update({ userId, id }, { ...changes, version: () => 'version + 1', updatedAt: () => 'now()' });
  }

  async remove(userId: string, id: string): Promise<void> {
    await this.turns.removeTurns(userId, { projectId: id });
    await this.unitOfWork.repository(Project).delete({ userId, id });
  }
}
