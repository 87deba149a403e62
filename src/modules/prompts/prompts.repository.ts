import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { AppError } from '../../kernel/errors/app-error.js';
import { arrayOf, statement, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Prompt } from './prompt.entity.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

// The parent vanished between the check and the write.
nameConstraints({ fk_prompts_project_id: 'not_found' });

export type NewPrompt = Pick<Prompt, 'userId' | 'id' | 'projectId' | 'name' | 'content' | 'contentTokens' | 'position'>;
export type PromptChanges = Partial<Pick<Prompt, 'name' | 'content' | 'contentTokens'>>;

const REORDER = statement<object>()(
  'prompts_reorder',
  { userId: uuid, projectId: uuid, ids: arrayOf(uuid) },
  `update prompts p set position = o.position, version = p.version + 1, updated_at = now()
       from (select id, (ordinality - 1)::int as position from unnest(:ids::uuid[]) with ordinality as t(id)) o
       where p.user_id = :userId and p.project_id = :projectId and p.id = o.id and p.position <> o.position`,
);

@Injectable()
export class PromptsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  find(userId: string, id: string): Promise<Prompt | null> {
    return this.unitOfWork.repository(Prompt).findOneBy({ userId, id });
  }

  /** Throws `not_found`. */
  async get(userId: string, id: string): Promise<Prompt> {
    const prompt = await this.find(userId, id);
    if (prompt === null) throw new AppError('not_found');
    return prompt;
  }

  /** Like `find`, and locks the row until the unit of work ends. */
  findForUpdate(userId: string, id: string): Promise<Prompt | null> {
    return this.unitOfWork.repository(Prompt).findOne({ where: { userId, id }, lock: { mode: 'pessimistic_write' } });
  }

  /** In the order in which they are sent to a model. */
  list(userId: string, projectId: string, afterPosition: number, limit: number): Promise<Prompt[]> {
    return this.unitOfWork.repository(Prompt).find({
      where: { userId, projectId, position: MoreThan(afterPosition) },
      order: { position: 'ASC' },
      take: limit,
    });
  }

  async insert(prompt: NewPrompt): Promise<void> {
    await this.unitOfWork.repository(Prompt).insert(prompt);
  }

  async update(userId: string, id: string, changes: PromptChanges): Promise<void> {
    await this.unitOfWork
      .repository(Prompt)
      .update({ userId, id }, { ...changes, version: () => 'version + 1', updatedAt: () => 'now()' });
  }

  /** Numbers the prompts in the given order. Rows whose position does not change are not written. */
  async reorder(userId: string, projectId: string, ids: readonly string[]): Promise<void> {
    await this.unitOfWork.query(REORDER({ userId, projectId, ids }));
  }

  async remove(userId: string, id: string): Promise<void> {
    await this.unitOfWork.repository(Prompt).delete({ userId, id });
  }
}
