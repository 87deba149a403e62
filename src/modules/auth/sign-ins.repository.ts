import { Injectable } from '@nestjs/common';
import { IsNull, Not } from 'typeorm';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { SignIn } from './sign-in.entity.js';

@Injectable()
export class SignInsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  async insert(signIn: Pick<SignIn, 'userId' | 'id' | 'seed' | 'userAgent' | 'expiresAt'>): Promise<void> {
    await this.unitOfWork.repository(SignIn).insert(signIn);
  }

  find(userId: string, id: string): Promise<SignIn | null> {
    return this.unitOfWork.repository(SignIn).findOneBy({ userId, id });
  }

  /** Takes the family one generation on, for exactly one of all callers that hold the live token. */
  async advance({ userId, id, generation }: SignIn, expiresAt: Date): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SignIn)
      .update(
        { userId, id, generation, revokedAt: IsNull() },
        { generation: generation + 1, expiresAt, lastUsedAt: () => 'now()' },
      );
    return affected === 1;
  }

  async revoke(userId: string, id: string): Promise<void> {
    await this.unitOfWork.repository(SignIn).update({ userId, id, revokedAt: IsNull() }, { revokedAt: () => 'now()' });
  }

  async revokeOthers(userId: string, keepId: string): Promise<void> {
    await this.unitOfWork
      .repository(SignIn)
      .update({ userId, id: Not(keepId), revokedAt: IsNull() }, { revokedAt: () => 'now()' });
  }
}
