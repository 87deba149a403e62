import { Injectable } from '@nestjs/common';
import { SystemScope } from '../database/system-scope.js';
import { int, statement, uuid } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { DataKey } from './data-key.entity.js';
import type { WrappedKey } from './master-keys.js';

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

  /** As `find`, and locks the row until the unit of work ends: of two that wrap it anew, one waits. */
  findForUpdate(userId: string): Promise<DataKey | null> {
    return this.unitOfWork.repository(DataKey).findOne({ where: { userId }, lock: { mode: 'pessimistic_write' } });
  }

  /** Of two that make a user's first key at once, one is stored; both must read it afterwards. */
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

  /** Whose keys another master key wraps, in the order of the users, after one of them. */
  async listOutdated(masterVersion: number, afterUserId: string, limit: number): Promise<string[]> {
    const outdated = LIST_OUTDATED({ masterVersion, afterUserId, limit });
    const { rows } = await this.system.query('wrap data keys by the newest master key', outdated);
    return rows.map(({ userId }) => userId);
  }
}
