import { Injectable } from '@nestjs/common';
import { onlyRow } from '../database/only-row.js';
import { SystemScope } from '../database/system-scope.js';
import { bytea, int, json, nullable, statement, text, timestamptz, uuid } from '../database/statement.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { type AuditEntry, type AuditEvent, canonicalForm, GENESIS } from './audit-chain.js';

/** The end of a chain: the sequence number and the hash of its last event. */
export interface AuditHead {
  readonly seq: number;
  readonly hash: Buffer;
}

/** An event with the head that its chain has at the same moment; null when the chain has no head. */
export interface WalkedEvent extends AuditEvent {
  readonly headSeq: number | null;
  readonly headHash: Buffer | null;
}

const EVENT = `user_id as "userId", seq, id, at, actor_kind as "actorKind", actor_id as "actorId", action,
  subject_id as "subjectId", facts, previous_hash as "previousHash", hash`;

// The statement advances the head, so other appends to the same chain wait until this unit of work ends, and hashes the
// stored event. Two events cannot get the same sequence number.
const APPEND = statement<AuditHead>()(
  'audit_append',
  {
    ...{ userId: uuid, genesis: bytea, canonicalForm: bytea, id: uuid, at: timestamptz, actorKind: text },
    ...{ actorId: nullable(uuid), action: text, subjectId: nullable(uuid), facts: json },
  },
  `
with head as (
  insert into audit_heads as h (user_id, seq, previous_hash, hash)
  values (:userId, 1, :genesis, sha256(:genesis::bytea || int4send(1) || :canonicalForm::bytea))
  on conflict on constraint pk_audit_heads do update
  set seq = h.seq + 1, previous_hash = h.hash, hash = sha256(h.hash || int4send(h.seq + 1) || :canonicalForm::bytea)
  returning seq, previous_hash, hash
)
insert into audit_events (user_id, seq, id, at, actor_kind, actor_id, action, subject_id, facts, previous_hash, hash)
select :userId, seq, :id, :at, :actorKind, :actorId, :action, :subjectId, :facts, previous_hash, hash from head
returning seq, hash`,
);

const LIST = statement<AuditEvent>()(
  'audit_list',
  { userId: uuid, beforeSeq: nullable(int), limit: int },
  `select ${EVENT} from audit_events
       where user_id = :userId and seq < coalesce(:beforeSeq, 2147483647) order by seq desc limit :limit`,
);

const WALK = statement<WalkedEvent>()(
  'audit_walk',
  { userId: uuid, seq: int, limit: int },
  `
select e.*, h.seq as "headSeq", h.hash as "headHash"
from (
  select ${EVENT} from audit_events where (user_id, seq) > (:userId, :seq) order by user_id, seq limit :limit
) e
left join audit_heads h on h.user_id = e."userId"
order by e."userId", e.seq`,
);

const LIST_EMPTIED = statement<{ userId: string }>()(
  'audit_find_emptied',
  {},
  `
select h.user_id as "userId" from audit_heads h
where not exists (select from audit_events e where e.user_id = h.user_id) order by 1`,
);

@Injectable()
export class AuditRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  /** Appends an event to its user's chain, in the running unit of work. Returns the new end. */
  async append(entry: AuditEntry): Promise<AuditHead> {
    return onlyRow(
      await this.unitOfWork.query(APPEND({ ...entry, genesis: GENESIS, canonicalForm: canonicalForm(entry) })),
    );
  }

  /** Newest first. */
  list(userId: string, beforeSeq: number | null, limit: number): Promise<AuditEvent[]> {
    return this.unitOfWork.query(LIST({ userId, beforeSeq, limit }));
  }

  /** Events of all users in the order of their chains, after the given one. */
  async walk(after: { userId: string; seq: number }, limit: number): Promise<WalkedEvent[]> {
    return (await this.system.query('verify the audit log', WALK({ ...after, limit }))).rows;
  }

  /** Users whose chain has a head but no event. */
  async listEmptied(): Promise<string[]> {
    const { rows } = await this.system.query('verify the audit log', LIST_EMPTIED({}));
    return rows.map(({ userId }) => userId);
  }
}
