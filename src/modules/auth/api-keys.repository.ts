import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import type { Scope } from '../../kernel/actor.js';
import { SystemScope } from '../../platform/database/system-scope.js';
import { arrayOf, bytea, statement, timestamptz, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { ApiKey } from './api-key.entity.js';
import { nameConstraints } from '../../platform/database/pg-errors.js';

// The parent vanished between the check and the write.
nameConstraints({ fk_api_keys_project_id: 'not_found', fk_api_keys_user_id: 'unauthenticated' });

export type NewApiKey = Omit<ApiKey, 'createdAt' | 'lastUsedAt'>;

/** The user, project and scopes of a key. */
export interface FoundKey {
  readonly userId: string;
  readonly id: string;
  readonly scopes: Scope[];
  readonly projectId: string | null;
  readonly expiresAt: Date | null;
}

/** When a key was last used, in ms since 1970. */
export interface KeyUse {
  readonly userId: string;
  readonly id: string;
  readonly atMs: number;
}

const REMOVE_ALL = statement<{ id: string }>()(
  'api_keys_remove_all',
  { userId: uuid },
  'with gone as (delete from api_keys where user_id = :userId returning id) select id from gone',
);

const FIND_BY_HASH = statement<FoundKey>()(
  'api_keys_find_by_hash',
  { keyHash: bytea },
  `
select k.user_id as "userId", k.id, k.scopes, k.project_id as "projectId", k.expires_at as "expiresAt"
from api_keys k join users u on u.id = k.user_id where k.key_hash = :keyHash and u.disabled_at is null`,
);

const MARK_USED = statement<object>()(
  'api_keys_mark_used',
  { userIds: arrayOf(uuid), ids: arrayOf(uuid), at: arrayOf(timestamptz) },
  `
update api_keys k set last_used_at = greatest(k.last_used_at, u.at)
from (select unnest(:userIds::uuid[]) as user_id, unnest(:ids::uuid[]) as id, unnest(:at::timestamptz[]) as at) u
where k.user_id = u.user_id and k.id = u.id`,
);

@Injectable()
export class ApiKeysRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  async insert(key: NewApiKey): Promise<void> {
    await this.unitOfWork.repository(ApiKey).insert(key);
  }

  find(userId: string, id: string): Promise<ApiKey | null> {
    return this.unitOfWork.repository(ApiKey).findOneBy({ userId, id });
  }

  /** Newest first; ids increase with time. */
  list(userId: string, beforeId: string | null, limit: number): Promise<ApiKey[]> {
    return this.unitOfWork.repository(ApiKey).find({
      where: { userId, ...(beforeId === null ? {} : { id: LessThan(beforeId) }) },
      order: { id: 'DESC' },
      take: limit,
    });
  }

  /** False when there is no such key. */
  async remove(userId: string, id: string): Promise<boolean> {
    return (await this.unitOfWork.repository(ApiKey).delete({ userId, id })).affected === 1;
  }

  /** Returns the ids of the removed keys. */
  async removeAll(userId: string): Promise<string[]> {
    const rows = await this.unitOfWork.query(REMOVE_ALL({ userId }));
    return rows.map(({ id }) => id);
  }

  /**
   * Also null for a key of a disabled account. The tenant is unknown before this lookup, so it runs as the system role.
   */
  async findByHash(keyHash: Buffer): Promise<FoundKey | null> {
    const { rows } = await this.system.query('sign-in by API key', FIND_BY_HASH({ keyHash }));
    return rows[0] ?? null;
  }

  /** Writes the times of last use of keys of any users in one statement. */
  async markUsed(uses: readonly KeyUse[]): Promise<void> {
    const marks = MARK_USED({
      userIds: uses.map(({ userId }) => userId),
      ids: uses.map(({ id }) => id),
      at: uses.map(({ atMs }) => new Date(atMs)),
    });
    await this.system.query('note when API keys were used', marks);
  }
}
