import { Injectable } from '@nestjs/common';
import { nameConstraints } from '../database/pg-errors.js';
import { SystemScope } from '../database/system-scope.js';
import { int, statement, uuid } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { DataKey } from './data-key.entity.js';
import type { WrappedKey } from './master-keys.js';

// The account was deleted during the request.
nameConstraints({ fk_data_keys_user_id: 'unauthenticated' });

const LIST_OUTDATED = statement<{ userId: string }>()(
  'data_keys_find_outdated',
  { masterVersion: int, afterUserId: uuid, limit: int },
  `select user_id as "userId" from data_keys where master_version <> :masterVersion and user_id > :afterUserId order by user_id limit :limit`,
);

@Injectable()
export class DataKeysRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  find(userId: string): Promise<DataKey | null> {
    return this.unitOfWork.repository(DataKey).findOneBy({ userId });
  }

  /** Like `find`, and locks the row until the unit of work ends, so that concurrent rotations take turns. */
  findForUpdate(userId: string): Promise<DataKey | null> {
    return this.unitOfWork.repository(DataKey).findOne({ where: { userId }, lock: { mode: 'pessimistic_write' } });
  }

  /** If two callers make a user's first key at once, only one key is stored; both must read it afterwards. */
  async insertOnce(userId: string, key: WrappedKey): Promise<void> {
    await this.unitOfWork
      .repository(DataKey)
      .createQueryBuilder()
      .insert()
      .values({ userId, ...key })
      .orIgnore()
      .updateEntity(false)
      .execute();
  }

  async update(userId: string, key: WrappedKey): Promise<void> {
    await this.unitOfWork.repository(DataKey).update({ userId }, { ...key });
  }

  /** Users whose keys another master key encrypts, ordered by id, after the given one. */
  async listOutdated(masterVersion: number, afterUserId: string, limit: number): Promise<string[]> {
    const outdated = LIST_OUTDATED({ masterVersion, afterUserId, limit });
    const { rows } = await this.system.query('re-encrypt data keys with the newest master key', outdated);
    return rows.map(({ userId }) => userId);
  }
}
