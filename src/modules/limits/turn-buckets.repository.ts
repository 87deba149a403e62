import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { statement } from '../../platform/database/statement.js';

/** Rows deleted per statement, so that a sweep never holds locks for long. */
const SWEEP_BATCH = 1000;

const SWEEP = statement<object>()(
  'turn_buckets_sweep',
  {},
  `
with old as materialized (
  select user_id, subject_id, unit from turn_buckets where full_at < now() - interval '1 day'
  limit ${SWEEP_BATCH} for no key update skip locked
)
delete from turn_buckets b using old o
where b.user_id = o.user_id and b.subject_id = o.subject_id and b.unit = o.unit`,
);

@Injectable()
export class TurnBucketsRepository {
  constructor(private readonly system: SystemScope) {}

  /**
   * Deletes a batch of buckets that have been full for a day, and returns how many. It does not delete them earlier,
   * because a turn that was charged may still run, and its end must find the bucket to correct it.
   */
  async sweep(): Promise<number> {
    const { rowCount } = await this.system.query('forget buckets of turns that have long been full', SWEEP({}));
    return rowCount === SWEEP_BATCH ? SWEEP_BATCH + (await this.sweep()) : (rowCount ?? 0);
  }
}
