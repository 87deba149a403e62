import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { onlyRow } from '../../platform/database/only-row.js';
import { arrayOf, int, statement, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** Messages deleted per statement, so no statement reaches its timeout, however long a session is. */
const MESSAGES_AT_ONCE = 5000;

/** The numbers of deleted rows. */
export interface RetentionCounts {
  readonly sessions: number;
  readonly messages: number;
  /** Stored responses that contained data of a deleted session. */
  readonly idempotencyKeys: number;
}

export interface DueProject {
  readonly userId: string;
  readonly projectId: string;
}

/** A locked session to delete. `size` is an upper bound of its messages. */
export interface DueSession {
  readonly id: string;
  readonly size: number;
}

const LIST_DUE = statement<DueProject>()(
  'retention_find_due',
  { userId: uuid, projectId: uuid, limit: int },
  `
select user_id as "userId", project_id as "projectId" from (
  select p.user_id, p.id as project_id from projects p
  where p.retention_days is not null and exists (
    select from chat_sessions s where s.user_id = p.user_id and s.project_id = p.id
      and s.last_active_at < now() - p.retention_days * interval '24 hours')
  union
  select r.user_id, r.project_id from retention_runs r
) due
where (user_id, project_id) > (:userId, :projectId) order by 1, 2 limit :limit`,
);

const LOCK_PROJECT = statement<{ days: number | null }>()(
  'retention_lock_project',
  { userId: uuid, projectId: uuid },
  'select retention_days as days from projects where user_id = :userId and id = :projectId for share',
);

const LOCK_SESSIONS = statement<DueSession>()(
  'retention_lock_sessions',
  { userId: uuid, projectId: uuid, days: int, limit: int },
  `select s.id, s.last_seq as size from chat_sessions s
       where s.user_id = :userId and s.project_id = :projectId and s.last_active_at < now() - :days::int * interval '24 hours'
         and not exists (select from turns t where t.user_id = :userId and t.session_id = s.id)
       order by s.last_active_at, s.id limit :limit for update skip locked`,
);

const REMOVE_SESSIONS = statement<object>()(
  'retention_remove_sessions',
  { userId: uuid, sessionIds: arrayOf(uuid) },
  'delete from chat_sessions where user_id = :userId and id = any (:sessionIds::uuid[])',
);

const ADD_TO_RUN = statement<object>()(
  'retention_add_to_run',
  { userId: uuid, projectId: uuid, sessions: int, messages: int, idempotencyKeys: int },
  `insert into retention_runs as r (user_id, project_id, sessions, messages, idempotency_keys)
       values (:userId, :projectId, :sessions, :messages, :idempotencyKeys)
       on conflict on constraint pk_retention_runs do update set sessions = r.sessions + excluded.sessions,
         messages = r.messages + excluded.messages, idempotency_keys = r.idempotency_keys + excluded.idempotency_keys`,
);

const REMOVE_RUN = statement<RetentionCounts>()(
  'retention_remove_run',
  { userId: uuid, projectId: uuid },
  `with taken as (
         delete from retention_runs where user_id = :userId and project_id = :projectId returning sessions, messages, idempotency_keys
       )
       select sessions, messages, idempotency_keys as "idempotencyKeys" from taken`,
);

// Newest first: a message is always older than its replies, so the foreign key on the parent never cascades.
const REMOVE_MESSAGES = statement<{ deleted: number }>()(
  'retention_remove_messages',
  { userId: uuid, sessionIds: arrayOf(uuid) },
  `with doomed as (
         delete from messages where user_id = :userId and id = any (array(
           select id from messages where user_id = :userId and session_id = any (:sessionIds::uuid[])
           order by seq desc limit ${MESSAGES_AT_ONCE})) returning 1)
       select count(*)::int as deleted from doomed`,
);

// The key of a turn refers to its answer; other stored responses contain the session id or are the session. Rows that a
// sweep has locked are skipped, because the sweep deletes them.
const REMOVE_KEYS = statement<{ deleted: number }>()(
  'retention_remove_keys',
  { userId: uuid, sessionIds: arrayOf(uuid) },
  `with found as materialized (
         select route, key from idempotency_keys
         where user_id = :userId and (
           message_id in (select m.id from messages m where m.user_id = :userId and m.session_id = any (:sessionIds::uuid[]))
           or response -> 'body' ->> 'session_id' = any (:sessionIds::uuid[]::text[])
           or response -> 'body' ->> 'id' = any (:sessionIds::uuid[]::text[]))
         for update skip locked
       ), gone as (
         delete from idempotency_keys k using found f
         where k.user_id = :userId and k.route = f.route and k.key = f.key returning 1)
       select count(*)::int as deleted from gone`,
);

@Injectable()
export class RetentionRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  /** Projects with an expired session or an interrupted run, in order, after the given one. */
  async listDue({ userId, projectId }: DueProject, limit: number): Promise<DueProject[]> {
    const due = LIST_DUE({ userId, projectId, limit });
    return (await this.system.query('find projects whose sessions are past their retention', due)).rows;
  }

  /**
   * The retention of the project in days; null: unlimited, or the project is gone. Locks the project until the unit of
   * work ends. The project is locked before its sessions, in the same order as its deletion does.
   */
  async lockProject({ userId, projectId }: DueProject): Promise<number | null> {
    const [row] = await this.unitOfWork.query(LOCK_PROJECT({ userId, projectId }));
    return row?.days ?? null;
  }

  /**
   * Locks the sessions without activity for the given number of days by the database's clock, oldest first. A session
   * with a running or waiting turn is active. Sessions that are locked elsewhere are skipped. Opening a turn locks its
   * session and makes it active, so no turn can start behind this lock.
   */
  lockSessions({ userId, projectId }: DueProject, days: number, limit: number): Promise<DueSession[]> {
    return this.unitOfWork.query(LOCK_SESSIONS({ userId, projectId, days, limit }));
  }

  /** Deletes locked sessions with everything in them, and the stored responses that contain their data. */
  async remove(userId: string, sessionIds: readonly string[]): Promise<RetentionCounts> {
    const idempotencyKeys = await this.removeKeys(userId, sessionIds);
    let messages = 0;
    for (let deleted = MESSAGES_AT_ONCE; deleted === MESSAGES_AT_ONCE; messages += deleted) {
      deleted = await this.removeMessages(userId, sessionIds);
    }
    await this.unitOfWork.query(REMOVE_SESSIONS({ userId, sessionIds }));
    return { sessions: sessionIds.length, messages, idempotencyKeys };
  }

  /** Adds to the stored counts of a run, which are needed for the audit log at its end. */
  async addToRun({ userId, projectId }: DueProject, counts: RetentionCounts): Promise<void> {
    const { sessions, messages, idempotencyKeys } = counts;
    await this.unitOfWork.query(ADD_TO_RUN({ userId, projectId, sessions, messages, idempotencyKeys }));
  }

  /** Removes and returns the stored counts, to be recorded in the audit log. */
  async removeRun({ userId, projectId }: DueProject): Promise<RetentionCounts | null> {
    const [row] = await this.unitOfWork.query(REMOVE_RUN({ userId, projectId }));
    return row ?? null;
  }

  private async removeMessages(userId: string, sessionIds: readonly string[]): Promise<number> {
    return onlyRow(await this.unitOfWork.query(REMOVE_MESSAGES({ userId, sessionIds }))).deleted;
  }

  private async removeKeys(userId: string, sessionIds: readonly string[]): Promise<number> {
    return onlyRow(await this.unitOfWork.query(REMOVE_KEYS({ userId, sessionIds }))).deleted;
  }
}
