import { Injectable } from '@nestjs/common';
import { IsNull, LessThan, Raw } from 'typeorm';
import { SystemScope } from '../../platform/database/system-scope.js';
import { int, nullable, statement, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { SignIn } from './sign-in.entity.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

// The parent vanished between the check and the write.
nameConstraints({ fk_sign_ins_user_id: 'unauthenticated' });

/** Rows deleted per statement, so that a sweep never holds locks for long. */
const SWEEP_BATCH = 1000;

const REVOKE_OTHERS = statement<{ id: string }>()(
  'sign_ins_revoke_others',
  { userId: uuid, keepId: nullable(uuid) },
  `
with ended as (
  update sign_ins set revoked_at = now() where user_id = :userId and id is distinct from :keepId and revoked_at is null returning id
)
select id from ended`,
);

const SWEEP = statement<object>()(
  'sign_ins_sweep',
  { keepDays: int },
  `
with old as materialized (
  select user_id, id from sign_ins where least(expires_at, revoked_at) < now() - :keepDays * interval '1 day' limit ${SWEEP_BATCH}
)
delete from sign_ins s using old o where s.user_id = o.user_id and s.id = o.id`,
);

@Injectable()
export class SignInsRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  async insert(signIn: Pick<SignIn, 'userId' | 'id' | 'seed' | 'userAgent' | 'expiresAt'>): Promise<void> {
    await this.unitOfWork.repository(SignIn).insert(signIn);
  }

  find(userId: string, id: string): Promise<SignIn | null> {
    return this.unitOfWork.repository(SignIn).findOneBy({ userId, id });
  }

  /** Moves the family to its next generation. True for exactly one of all concurrent callers with the valid token. */
  async advance({ userId, id, generation }: SignIn, expiresAt: Date): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SignIn)
      .update(
        { userId, id, generation, revokedAt: IsNull() },
        { generation: generation + 1, expiresAt, lastUsedAt: () => 'now()' },
      );
    return affected === 1;
  }

  /** Active sign-ins, newest first; ids increase with time. */
  list(userId: string, beforeId: string | null, limit: number): Promise<SignIn[]> {
    return this.unitOfWork.repository(SignIn).find({
      where: {
        userId,
        revokedAt: IsNull(),
        expiresAt: Raw((column) => `${column} > now()`),
        ...(beforeId === null ? {} : { id: LessThan(beforeId) }),
      },
      order: { id: 'DESC' },
      take: limit,
    });
  }

  /** False when it has ended already. */
  async revoke(userId: string, id: string): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SignIn)
      .update(
        { userId, id, revokedAt: IsNull(), expiresAt: Raw((column) => `${column} > now()`) },
        { revokedAt: () => 'now()' },
      );
    return affected === 1;
  }

  /** Ends all but one. Returns the ids of those that this call ended. */
  async revokeOthers(userId: string, keepId: string | null): Promise<string[]> {
    const revoked = await this.unitOfWork.query(REVOKE_OTHERS({ userId, keepId }));
    return revoked.map(({ id }) => id);
  }

  /** Deletes a batch of those that ended more than the given number of days ago. Returns how many. */
  async sweep(keepDays: number): Promise<number> {
    const { rowCount } = await this.system.query('forget sign-ins that have ended', SWEEP({ keepDays }));
    return rowCount === SWEEP_BATCH ? SWEEP_BATCH + (await this.sweep(keepDays)) : (rowCount ?? 0);
  }
}
