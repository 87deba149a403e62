import { Injectable } from '@nestjs/common';
import { onlyRow } from '../../platform/database/only-row.js';
import { bytea, int, json, statement, timestamptz, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { TurnRemoval } from '../projects/public/turn-removal.js';
import type { ErasureReceipt } from './erasure-receipts.js';
import { LIST_TENANT_TABLES, quoted } from './tenant-tables.js';

/** Sessions deleted per statement, so no statement reaches its timeout, however large the account is. */
const BATCH = 100;

const LIMIT_LOCK_WAIT = statement<object>()(
  'erasure_limit_lock_wait',
  {},
  `select set_config('lock_timeout', '250ms', true)`,
);

const LOCK_USER = statement<object>()(
  'erasure_lock_user',
  { userId: uuid },
  'select from users where id = :userId for update',
);

const LOCK_PROJECTS = statement<object>()(
  'erasure_lock_projects',
  { userId: uuid },
  'select from projects where user_id = :userId order by id for update',
);

const REMOVE_SESSIONS = statement<{ deleted: number }>()(
  'erasure_remove_sessions',
  { userId: uuid },
  `with doomed as (
           delete from chat_sessions where user_id = :userId and id = any (
             array(select id from chat_sessions where user_id = :userId limit ${BATCH})) returning 1)
         select count(*)::int as deleted from doomed`,
);

const REMOVE_USER = statement<object>()(
  'erasure_remove_user',
  { userId: uuid },
  'delete from users where id = :userId',
);

const INSERT = statement<object>()(
  'erasure_insert',
  {
    ...{ id: uuid, erasedAt: timestamptz, subject: bytea, counts: json },
    ...{ auditSeq: int, auditHash: bytea, signature: bytea },
  },
  `insert into erasure_receipts (id, erased_at, subject, counts, audit_seq, audit_hash, signature)
       values (:id, :erasedAt, :subject, :counts, :auditSeq, :auditHash, :signature)`,
);

const FIND = statement<ErasureReceipt>()(
  'erasure_find',
  { id: uuid },
  `select id, erased_at as "erasedAt", subject, counts, audit_seq as "auditSeq", audit_hash as "auditHash", signature
       from erasure_receipts where id = :id`,
);

@Injectable()
export class ErasureRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly turns: TurnRemoval,
  ) {}

  /**
   * Locks the account so that nothing can be added to it; false when it is gone. Another request of the user may hold a
   * lock that we need and wait for one that we hold. So this lock gives up before PostgreSQL looks for a deadlock (1
   * s).
   */
  async lock(userId: string): Promise<boolean> {
    await this.unitOfWork.query(LIMIT_LOCK_WAIT({}));
    const users = await this.unitOfWork.query(LOCK_USER({ userId }));
    if (users.length === 0) return false;
    await this.unitOfWork.query(LOCK_PROJECTS({ userId }));
    return true;
  }

  /** The number of the user's rows by table. */
  async count(userId: string): Promise<Record<string, number>> {
    const tables = await this.unitOfWork.query(LIST_TENANT_TABLES({}));
    const counts = tables.map(
      ({ name, owner }) => `(select count(*) from ${quoted(name)} where ${owner} = :userId)::int as ${quoted(name)}`,
    );
    const count = statement<Record<string, number>>()('erasure_count', { userId: uuid }, `select ${counts.join(', ')}`);
    return onlyRow(await this.unitOfWork.query(count({ userId })));
  }

  /** Deletes all data of the user: turns and sessions first, the rest by the foreign keys. */
  async remove(userId: string): Promise<void> {
    await this.turns.removeTurns(userId);
    let deleted = BATCH;
    while (deleted === BATCH) {
      const [row] = await this.unitOfWork.query(REMOVE_SESSIONS({ userId }));
      deleted = row?.deleted ?? 0;
    }
    await this.unitOfWork.query(REMOVE_USER({ userId }));
  }

  async insert(receipt: ErasureReceipt): Promise<void> {
    await this.unitOfWork.query(INSERT(receipt));
  }

  async find(id: string): Promise<ErasureReceipt | null> {
    const [row] = await this.unitOfWork.query(FIND({ id }));
    return row ?? null;
  }
}
