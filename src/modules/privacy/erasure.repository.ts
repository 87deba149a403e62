import { Injectable } from '@nestjs/common';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { TurnRemoval } from '../projects/public/turn-removal.js';
import type { ErasureReceipt } from './erasure-receipt.js';
import { quoted, TENANT_TABLES, type TenantTable } from './tenant-tables.js';

/** Sessions deleted in one statement, so that none runs into its timeout however large the account is. */
const BATCH = 100;

@Injectable()
export class ErasureRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly turns: TurnRemoval,
  ) {}

  /**
   * Locks the account against everything that would add to it; false when it is gone. Whoever writes as the user may hold
   * what we want and want what we hold, so we give way, sooner than PostgreSQL looks for a deadlock (1 s).
   */
  async lock(userId: string): Promise<boolean> {
    await this.unitOfWork.query(`select set_config('lock_timeout', '250ms', true)`, []);
    const users = await this.unitOfWork.query('select from users where id = $1 for update', [userId]);
    if (users.length === 0) return false;
    await this.unitOfWork.query('select from projects where user_id = $1 order by id for update', [userId]);
    return true;
  }

  /** How many rows of each table the user has. */
  async count(userId: string): Promise<Record<string, number>> {
    const tables = await this.unitOfWork.query<TenantTable>(TENANT_TABLES, []);
    const counts = tables.map(
      ({ name, owner }) => `(select count(*) from ${quoted(name)} where ${owner} = $1)::int as ${quoted(name)}`,
    );
    const [row] = await this.unitOfWork.query<Record<string, number>>(`select ${counts.join(', ')}`, [userId]);
    return row as Record<string, number>;
  }

  /** Everything that belongs to the user: turns and sessions first, the rest by the foreign keys. */
  async remove(userId: string): Promise<void> {
    await this.turns.removeTurns(userId);
    let deleted = BATCH;
    while (deleted === BATCH) {
      const [row] = await this.unitOfWork.query<{ deleted: number }>(
        `with doomed as (
           delete from chat_sessions where user_id = $1 and id = any (
             array(select id from chat_sessions where user_id = $1 limit ${BATCH})) returning 1)
         select count(*)::int as deleted from doomed`,
        [userId],
      );
      deleted = row?.deleted ?? 0;
    }
    await this.unitOfWork.query('delete from users where id = $1', [userId]);
  }

  async insert({ id, erasedAt, subject, counts, auditSeq, auditHash, signature }: ErasureReceipt): Promise<void> {
    await this.unitOfWork.query(
      `insert into erasure_receipts (id, erased_at, subject, counts, audit_seq, audit_hash, signature)
       values ($1, $2, $3, $4, $5, $6, $7)`,
      [id, erasedAt, subject, JSON.stringify(counts), auditSeq, auditHash, signature],
    );
  }

  async find(id: string): Promise<ErasureReceipt | null> {
    const [row] = await this.unitOfWork.query<ErasureReceipt>(
      `select id, erased_at as "erasedAt", subject, counts, audit_seq as "auditSeq", audit_hash as "auditHash", signature
       from erasure_receipts where id = $1`,
      [id],
    );
    return row ?? null;
  }
}
