import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { User } from './user.entity.js';
import type { UpdateMeRequest } from './user.dto.js';
import { UsersRepository } from './users.repository.js';

@Injectable()
export class UsersService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UsersRepository,
    private readonly audit: AuditLog,
  ) {}

  getMe(actor: Actor): Promise<User> {
    return this.unitOfWork.run(actor, () => this.get(actor));
  }

  updateMe(actor: Actor, { display_name }: UpdateMeRequest): Promise<User> {
    return this.unitOfWork.run(actor, async () => {
      if (display_name === undefined) return this.get(actor);
      await this.users.update(actor.userId, { displayName: display_name });
      const user = await this.get(actor);
      await this.audit.record(actor, 'account.profile_changed', { fields: ['display_name'] });
      return user;
    });
  }

  /** Other instances may accept the token of a deleted account for some seconds, so the user may be gone. */
  private async get({ userId }: Actor): Promise<User> {
    const user = await this.users.find(userId);
    if (user === null) throw new AppError('unauthenticated');
    return user;
  }
}
