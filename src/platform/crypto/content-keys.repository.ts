import { Injectable } from '@nestjs/common';
import { SystemScope } from '../database/system-scope.js';
import { int, statement, uuid } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { ContentKeyRow } from './content-key-row.entity.js';
import type { WrappedKey } from './master-keys.js';

/** The project whose content a key encrypts. */
export interface ContentOwner {
  readonly userId: string;
  readonly projectId: string;
}

const LIST_OUTDATED = statement<ContentOwner>()(
  'content_keys_find_outdated',
  { masterVersion: int, userId: uuid, projectId: uuid, limit: int },
  `
select user_id as "userId", project_id as "projectId" from content_keys
where master_version <> :masterVersion and (user_id, project_id) > (:userId, :projectId) order by 1, 2 limit :limit`,
);

@Injectable()
export class ContentKeysRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  find({ userId, projectId }: ContentOwner): Promise<ContentKeyRow | null> {
    return this.unitOfWork.repository(ContentKeyRow).findOneBy({ userId, projectId });
  }

  /** Like `find`, and locks the row until the unit of work ends, so that concurrent rotations take turns. */
  findForUpdate({ userId, projectId }: ContentOwner): Promise<ContentKeyRow | null> {
    return this.unitOfWork
      .repository(ContentKeyRow)
      .findOne({ where: { userId, projectId }, lock: { mode: 'pessimistic_write' } });
  }

  async insert({ userId, projectId }: ContentOwner, key: WrappedKey): Promise<void> {
    await this.unitOfWork.repository(ContentKeyRow).insert({ userId, projectId, ...key });
  }

  async update({ userId, projectId }: ContentOwner, key: WrappedKey): Promise<void> {
    await this.unitOfWork.repository(ContentKeyRow).update({ userId, projectId }, { ...key });
  }

  /** Keys that another master key encrypts, ordered by owner, after the given one. */
  async listOutdated(masterVersion: number, after: ContentOwner, limit: number): Promise<ContentOwner[]> {
    const outdated = LIST_OUTDATED({ masterVersion, userId: after.userId, projectId: after.projectId, limit });
    return (await this.system.query('re-encrypt content keys with the newest master key', outdated)).rows;
  }
}
