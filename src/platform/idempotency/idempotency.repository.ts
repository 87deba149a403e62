import { Injectable } from '@nestjs/common';
import { Pipeline } from '../database/pipeline.js';
import { SystemScope } from '../database/system-scope.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { findKey, type IdempotencyKey, type KeptRequest, type KeptResponse } from './idempotency-key.js';

/** Rows removed in one statement, so that a sweep never holds locks for long. */
const SWEEP_BATCH = 1000;

@Injectable()
export class IdempotencyRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly pipeline: Pipeline,
    private readonly system: SystemScope,
  ) {}

  /** Holds the key for this unit of work; false when another request holds it at this moment. */
  async lock(userId: string, { route, key }: IdempotencyKey): Promise<boolean> {
    const [row] = await this.unitOfWork.query<{ held: boolean }>(
      'select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as held',
      [`${userId} ${route} ${key}`],
    );
    return row?.held === true;
  }

  /** In the unit of work that holds the key. */
  async find(userId: string, key: IdempotencyKey): Promise<KeptRequest | null> {
    const { text, values } = findKey(userId, key);
    return (await this.unitOfWork.query<KeptRequest>(text, values))[0] ?? null;
  }

  /** Keeps a response; an account that has just been deleted keeps nothing. */
  async insert(userId: string, { route, key, requestHash }: IdempotencyKey, response: KeptResponse): Promise<void> {
    await this.unitOfWork.query(
      `insert into idempotency_keys (user_id, route, key, request_hash, response)
       select id, $2, $3, $4, $5 from users where id = $1`,
      [userId, route, key, requestHash, JSON.stringify(response)],
    );
  }

  /** The same as `find`, in a transaction of its own: a turn asks after the one that would have opened it was refused. */
  async findKept(userId: string, key: IdempotencyKey): Promise<KeptRequest | null> {
    const [found] = await this.pipeline.run({ userId }, [findKey(userId, key)]);
    return (found?.rows[0] as KeptRequest | undefined) ?? null;
  }

  /** Removes keys older than the given hours, some at a time; the answer is how many. */
  async sweep(keepHours: number): Promise<number> {
    const { rowCount } = await this.system.query('forget old idempotency keys', {
      name: 'idempotency_sweep',
      text: `
with old as materialized (
  select user_id, route, key from idempotency_keys where created_at < now() - $1 * interval '1 hour'
  order by created_at limit ${SWEEP_BATCH}
)
delete from idempotency_keys k using old o where k.user_id = o.user_id and k.route = o.route and k.key = o.key`,
      values: [keepHours],
    });
    return rowCount === SWEEP_BATCH ? SWEEP_BATCH + (await this.sweep(keepHours)) : (rowCount ?? 0);
  }
}
