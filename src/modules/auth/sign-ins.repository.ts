import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
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

  /** False when it had ended before. */
  async revoke(userId: string, id: string): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SignIn)
      .update({ userId, id, revokedAt: IsNull() }, { revokedAt: () => 'now()' });
    return affected === 1;
  }

  /** Ends all but one; the answer is those that had not ended before. */
  async revokeOthers(userId: string, keepId: string | null): Promise<string[]> {
    const revoked = await this.unitOfWork.query<{ id: string }>(
      `
with ended as (
  update sign_ins set revoked_at = now() where user_id = $1 and id is distinct from $2 and revoked_at is null returning id
)
select id from ended`,
      [userId, keepId],
    );
    return revoked.map(({ id }) => id);
  }
}
