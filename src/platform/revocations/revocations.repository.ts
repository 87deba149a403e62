import { Injectable } from '@nestjs/common';
import { SystemScope } from '../database/system-scope.js';
import { arrayOf, boolean, int, statement, text, uuid } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';

/** The channel on which instances notify each other of revocations. */
export const REVOCATIONS_CHANNEL = 'parley_revocations';

/** Rows per statement, so that a sweep never holds locks for long. */
const SWEEP_BATCH = 1000;

export interface RevocationRow {
  readonly subjectId: string;
  readonly isRevoked: boolean;
  /** How long the row is still needed, by the database's clock. */
  readonly remainingMs: number;
}

const PUT = statement<object>()(
  'revocations_put',
  { userId: uuid, subjectIds: arrayOf(uuid), isRevoked: boolean, keepSeconds: int },
  `
with put as (
  insert into revocations (user_id, subject_id, is_revoked, expires_at)
  select :userId, unnest(:subjectIds::uuid[]), :isRevoked, now() + :keepSeconds * interval '1 second'
  on conflict on constraint pk_revocations do update
  set is_revoked = excluded.is_revoked, expires_at = excluded.expires_at, changed_xid = excluded.changed_xid
)
select pg_notify('${REVOCATIONS_CHANNEL}', '')`,
);

/** There is at least one row, which has `since`; its subject is null when nothing has changed. */
type ChangedRow = { readonly since: string } & (RevocationRow | { readonly subjectId: null });

const READ_SINCE = statement<ChangedRow>()(
  'revocations_read_since',
  { since: text },
  `
select now.since, r.subject_id as "subjectId", r.is_revoked as "isRevoked",
  extract(epoch from r.expires_at - now())::float8 * 1000 as "remainingMs"
from (select pg_snapshot_xmin(pg_current_snapshot())::text as since) as now
left join revocations r on r.changed_xid >= :since::xid8 and r.expires_at > now()`,
);

const SWEEP = statement<object>()(
  'revocations_sweep',
  {},
  `
with old as materialized (
  select user_id, subject_id from revocations where expires_at < now() limit ${SWEEP_BATCH}
)
delete from revocations r using old o where r.user_id = o.user_id and r.subject_id = o.subject_id`,
);

@Injectable()
export class RevocationsRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  /** Writes in the running unit of work; the other instances are notified when it commits. */
  async put(userId: string, subjectIds: readonly string[], isRevoked: boolean, keepSeconds: number): Promise<void> {
    await this.unitOfWork.query(PUT({ userId, subjectIds: [...new Set(subjectIds)], isRevoked, keepSeconds }));
  }

  /**
   * The rows that are still needed and were written after the read that returned `since` ('0': all), and the next `since`: the
   * oldest transaction that is running now. The next read finds everything that commits after this one.
   */
  async readSince(since: string): Promise<{ rows: RevocationRow[]; since: string }> {
    const { rows } = await this.system.query('see whose access has ended', READ_SINCE({ since }));
    return { since: rows[0]?.since ?? since, rows: rows.filter((row) => row.subjectId !== null) };
  }

  /** Removes a batch of rows that are no longer needed. Returns their number. */
  async sweep(): Promise<number> {
    const { rowCount } = await this.system.query('forget revocations that are over', SWEEP({}));
    return rowCount === SWEEP_BATCH ? SWEEP_BATCH + (await this.sweep()) : (rowCount ?? 0);
  }
}
