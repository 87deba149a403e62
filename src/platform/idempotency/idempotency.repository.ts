import { Injectable } from '@nestjs/common';
import { Pipeline } from '../database/pipeline.js';
import { SystemScope } from '../database/system-scope.js';
import { bytea, int, json, statement, text, uuid } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import type { IdempotencyKey, KeptRequest, KeptResponse } from './idempotency-key.js';

/** Rows per statement, so that a sweep never holds locks for long. */
const SWEEP_BATCH = 1000;

const LOCK = statement<{ held: boolean }>()(
  'idempotency_lock',
  { name: text },
  'select pg_try_advisory_xact_lock(hashtextextended(:name, 0)) as held',
);

const FIND = statement<KeptRequest>()(
  'idempotency_find',
  { userId: uuid, route: text, key: text },
  `
select request_hash as "requestHash", message_id as "messageId", response from idempotency_keys
where user_id = :userId and route = :route and key = :key`,
);

const INSERT = statement<object>()(
  'idempotency_insert',
  { userId: uuid, route: text, key: text, requestHash: bytea, response: json },
  `insert into idempotency_keys (user_id, route, key, request_hash, response)
       select id, :route, :key, :requestHash, :response from users where id = :userId`,
);

const SWEEP = statement<object>()(
  'idempotency_sweep',
  { keepHours: int },
  `
with old as materialized (
  select user_id, route, key from idempotency_keys where created_at < now() - :keepHours * interval '1 hour'
  order by created_at limit ${SWEEP_BATCH}
)
delete from idempotency_keys k using old o where k.user_id = o.user_id and k.route = o.route and k.key = o.key`,
);

@Injectable()
export class IdempotencyRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly pipeline: Pipeline,
    private readonly system: SystemScope,
  ) {}

  /** Locks the key for this unit of work; false if another request holds it. */
  async lock(userId: string, { route, key }: IdempotencyKey): Promise<boolean> {
    const [row] = await this.unitOfWork.query(LOCK({ name: `${userId} ${route} ${key}` }));
    return row?.held === true;
  }

  /** Call it in the unit of work that holds the lock. */
  async find(userId: string, { route, key }: IdempotencyKey): Promise<KeptRequest | null> {
    const [kept = null] = await this.unitOfWork.query(FIND({ userId, route, key }));
    return kept;
  }

  /** Stores a response. Stores nothing for an account that has just been deleted. */
  async insert(userId: string, key: IdempotencyKey, response: KeptResponse): Promise<void> {
    await this.unitOfWork.query(INSERT({ userId, ...key, response }));
  }

  /** Like `find`, in its own transaction: for a turn, after the transaction that would have opened it was refused. */
  async findKept(userId: string, { route, key }: IdempotencyKey): Promise<KeptRequest | null> {
    const [[kept = null]] = await this.pipeline.run({ userId }, [FIND({ userId, route, key })]);
    return kept;
  }

  /** Removes a batch of keys older than the given hours. Returns their number. */
  async sweep(keepHours: number): Promise<number> {
    const { rowCount } = await this.system.query('forget old idempotency keys', SWEEP({ keepHours }));
    return rowCount === SWEEP_BATCH ? SWEEP_BATCH + (await this.sweep(keepHours)) : (rowCount ?? 0);
  }
}
