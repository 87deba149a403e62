import { Injectable } from '@nestjs/common';
import { SystemScope } from '../database/system-scope.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { type AuditEntry, type AuditEvent, canonicalForm, GENESIS } from './audit-chain.js';

/** The end of a chain: the place of its last event and that event's hash. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: Buffer;
}

/** An event beside the head that its chain has at the same moment; null when it has none. */
export interface WalkedEvent extends AuditEvent {
  readonly headSeq: number | null;
  readonly headHash: Buffer | null;
}

const EVENT = `user_id as "userId", seq, id, at, actor_kind as "actorKind", actor_id as "actorId", action,
  subject_id as "subjectId", facts, previous_hash as "previousHash", hash`;

@Injectable()
export class AuditRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  /**
   * One statement: it moves the head one step on, which makes whoever appends to the same chain wait until this unit of
   * work is over, and hashes what it finds there. Two can not take the same place.
   */
  async append(entry: AuditEntry): Promise<AuditHead> {
    const [head] = await this.unitOfWork.query<AuditHead>(
      `
with head as (
  insert into audit_heads as h (user_id, seq, previous_hash, hash)
  values ($1, 1, $2, sha256($2::bytea || int4send(1) || $3::bytea))
  on conflict on constraint pk_audit_heads do update
  set seq = h.seq + 1, previous_hash = h.hash, hash = sha256(h.hash || int4send(h.seq + 1) || $3::bytea)
  returning seq, previous_hash, hash
)
insert into audit_events (user_id, seq, id, at, actor_kind, actor_id, action, subject_id, facts, previous_hash, hash)
select $1, seq, $4, $5, $6, $7, $8, $9, $10, previous_hash, hash from head
returning seq, hash`,
      [
        entry.userId,
        GENESIS,
        canonicalForm(entry),
        entry.id,
        entry.at,
        entry.actorKind,
        entry.actorId,
        entry.action,
        entry.subjectId,
        JSON.stringify(entry.facts),
      ],
    );
    return head as AuditHead;
  }

  /** Newest first. */
  list(userId: string, beforeSeq: number | null, limit: number): Promise<AuditEvent[]> {
    return this.unitOfWork.query<AuditEvent>(
      `select ${EVENT} from audit_events
       where user_id = $1 and seq < coalesce($2, 2147483647) order by seq desc limit $3`,
      [userId, beforeSeq, limit],
    );
  }

  /** The events of all users in the order of their chains, after the given one. */
  async walk(after: { userId: string; seq: number }, limit: number): Promise<WalkedEvent[]> {
    const { rows } = await this.system.query('verify the audit log', {
      name: 'audit_walk',
      text: `
select e.*, h.seq as "headSeq", h.hash as "headHash"
from (
  select ${EVENT} from audit_events where (user_id, seq) > ($1, $2) order by user_id, seq limit $3
) e
left join audit_heads h on h.user_id = e."userId"
order by e."userId", e.seq`,
      values: [after.userId, after.seq, limit],
    });
    return rows as WalkedEvent[];
  }

  /** Users whose chain has an end, but no event. */
  async findEmptied(): Promise<string[]> {
    const { rows } = await this.system.query('verify the audit log', {
      name: 'audit_find_emptied',
      text: `
select h.user_id as "userId" from audit_heads h
where not exists (select from audit_events e where e.user_id = h.user_id) order by 1`,
      values: [],
    });
    return (rows as { userId: string }[]).map(({ userId }) => userId);
  }
}
