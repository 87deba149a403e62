import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import type { User } from './user.entity.js';
import type { UpdateUserRequest } from './user.dto.js';
import { UsersRepository } from './users.repository.js';

@Injectable()
export class UsersService {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly users: UsersRepository,
  ) {}

  getMe(actor: Actor): Promise<User> {
    return this.unitOfWork.run(actor, () => this.get(actor));
  }

  updateMe(actor: Actor, { display_name }: UpdateUserRequest): Promise<User> {
    return this.unitOfWork.run(actor, async () => {
      if (display_name !== undefined) await this.users.update(actor.userId, { displayName: display_name });
      return this.get(actor);
    });
  }

  /** Everything that belongs to the user goes with the row, by the foreign keys. */
  async removeMe(actor: Actor): Promise<void> {
    await this.unitOfWork.run(actor, () => this.users.remove(actor.userId));
  }

  /** A token outlives its account by some minutes; then it is a token of nobody. */
  private async get({ userId }: Actor): Promise<User> {
    const user = await this.users.find(userId);
    if (user === null) throw new AppError('unauthenticated');
    return user;
  }
}
