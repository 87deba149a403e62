import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { User } from './user.entity.js';

export interface Credentials {
  readonly userId: string;
  readonly passwordHash: string;
}

@Injectable()
export class UsersRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  find(userId: string): Promise<User | null> {
    return this.unitOfWork.repository(User).findOneBy({ id: userId });
  }

  async insert(user: Pick<User, 'id' | 'email' | 'passwordHash' | 'displayName'>): Promise<void> {
    await this.unitOfWork.repository(User).insert(user);
  }

  async update(userId: string, changes: Partial<Pick<User, 'displayName' | 'passwordHash'>>): Promise<void> {
    if (Object.keys(changes).length > 0) await this.unitOfWork.repository(User).update({ id: userId }, changes);
  }

  async remove(userId: string): Promise<void> {
    await this.unitOfWork.repository(User).delete({ id: userId });
  }

  /** At sign-in nobody is signed in yet, so there is no tenant to ask as. */
  async findCredentials(email: string): Promise<Credentials | null> {
    const { rows } = await this.system.query('sign-in by e-mail', {
      name: 'users_find_credentials',
      text: 'select id as "userId", password_hash as "passwordHash" from users where email = $1',
      values: [email],
    });
    return (rows as Credentials[])[0] ?? null;
  }
}
