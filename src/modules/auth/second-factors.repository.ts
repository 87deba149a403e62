import { Injectable } from '@nestjs/common';
import { IsNull, LessThan, Not } from 'typeorm';
import { nameConstraints } from '../../platform/database/pg-errors.js';
import { bytea, statement, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { SecondFactor } from './second-factor.entity.js';

nameConstraints({ fk_second_factors_user_id: 'unauthenticated' });

const OFFER = statement<object>()(
  'second_factors_offer',
  { userId: uuid, secret: bytea },
  `insert into second_factors as f (user_id, secret) values (:userId, :secret)
       on conflict (user_id) do update set secret = excluded.secret, last_step = 0, created_at = now()
       where f.confirmed_at is null and f.user_id = :userId returning f.user_id`,
);

const SPEND_RECOVERY_CODE = statement<{ left: number }>()(
  'second_factors_spend_recovery_code',
  { userId: uuid, hash: bytea },
  `with spent as (
         update second_factors set recovery_hashes = array_remove(recovery_hashes, :hash)
         where user_id = :userId and :hash = any (recovery_hashes) returning recovery_hashes
       ) select cardinality(recovery_hashes) as left from spent`,
);

@Injectable()
export class SecondFactorsRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  find(userId: string): Promise<SecondFactor | null> {
    return this.unitOfWork.repository(SecondFactor).findOneBy({ userId });
  }

  /** Stores a new unconfirmed secret in place of an earlier one; false when a confirmed one exists. */
  async offer(userId: string, secret: Buffer): Promise<boolean> {
    const rows = await this.unitOfWork.query(OFFER({ userId, secret }));
    return rows.length > 0;
  }

  /** False when the factor is confirmed already, or when its secret has been replaced meanwhile. */
  async confirm({ userId, secret }: SecondFactor, recoveryHashes: Buffer[]): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SecondFactor)
      .update({ userId, secret, confirmedAt: IsNull() }, { confirmedAt: () => 'now()', recoveryHashes });
    return affected === 1;
  }

  /** True for exactly one of all concurrent callers with a code of this time step or an earlier one. */
  async spendStep(userId: string, step: number): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SecondFactor)
      .update({ userId, lastStep: LessThan(step) }, { lastStep: step });
    return affected === 1;
  }

  /**
   * Uses up a recovery code for exactly one of all concurrent callers. Returns how many are left; null for an unknown
   * or used code.
   */
  async spendRecoveryCode(userId: string, hash: Buffer): Promise<number | null> {
    const rows = await this.unitOfWork.query(SPEND_RECOVERY_CODE({ userId, hash }));
    return rows[0]?.left ?? null;
  }

  async replaceRecoveryCodes(userId: string, recoveryHashes: Buffer[]): Promise<boolean> {
    const { affected } = await this.unitOfWork
      .repository(SecondFactor)
      .update({ userId, confirmedAt: Not(IsNull()) }, { recoveryHashes });
    return affected === 1;
  }

  async remove(userId: string): Promise<void> {
    await this.unitOfWork.repository(SecondFactor).delete({ userId });
  }
}
