import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { statement } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { Plan } from './plan.entity.js';

const LIST_NAMES = statement<{ name: string }>()('plans_list_names', {}, 'select name from plans order by name');

/** Plans belong to no user. The row-level security policies let every user read them and only admins write them. */
@Injectable()
export class PlansRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  find(name: string): Promise<Plan | null> {
    return this.unitOfWork.repository(Plan).findOneBy({ name });
  }

  list(): Promise<Plan[]> {
    return this.unitOfWork.repository(Plan).find({ order: { name: 'ASC' } });
  }

  async put(plan: Omit<Plan, 'createdAt'>): Promise<void> {
    await this.unitOfWork.repository(Plan).upsert(plan, ['name']);
  }

  /** Runs as the system role, because no user is signed in when the server starts. */
  async listNames(): Promise<string[]> {
    const { rows } = await this.system.query('is there the default plan', LIST_NAMES({}));
    return rows.map(({ name }) => name);
  }
}
