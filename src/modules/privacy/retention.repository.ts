import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** Messages deleted in one statement, so that none runs into its timeout however long a session is. */
const MESSAGES_AT_ONCE = 5000;

/** What went, or has to go. */
export interface RetentionCounts {
  readonly sessions: number;
  readonly messages: number;
  /** Kept answers to repeated requests, which showed something of a session that went. */
  readonly idempotencyKeys: number;
}

export interface DueProject {
  readonly userId: string;
  readonly projectId: string;
}

/** A session to delete, locked. `size` is how many messages it has at most. */
export interface DueSession {
  readonly id: string;
  readonly size: number;
}

@Injectable()
export class RetentionRepository {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly system: SystemScope,
  ) {}

  /** Projects in which a session is older than the project keeps it, or of which a run was cut; in their order, after one. */
  async findDue({ userId, projectId }: DueProject, limit: number): Promise<DueProject[]> {
    const { rows } = await this.system.query('find projects whose sessions are past their retention', {
      name: 'retention_find_due',
      text: `
select user_id as "userId", project_id as "projectId" from (
  select p.user_id, p.id as project_id from projects p
  where p.retention_days is not null and exists (
    select from chat_sessions s where s.user_id = p.user_id and s.project_id = p.id
      and s.last_active_at < now() - p.retention_days * interval '24 hours')
  union
  select r.user_id, r.project_id from retention_runs r
) due
where (user_id, project_id) > ($1, $2) order by 1, 2 limit $3`,
      values: [userId, projectId, limit],
    });
    return rows as DueProject[];
  }

  /**
   * For how many days the project keeps its sessions; null: for ever, or it is gone. Holds the project as it is until the
   * unit of work ends, before any session is locked, as deleting it does.
   */
  async lockProject({ userId, projectId }: DueProject): Promise<number | null> {
    const [row] = await this.unitOfWork.query<{ days: number | null }>(
      'select retention_days as days from projects where user_id = $1 and id = $2 for share',
      [userId, projectId],
    );
    return row?.days ?? null;
  }

  /**
   * Sessions that nothing has happened in for so many days by the database's clock, the oldest first, locked. One with a
   * turn, running or waiting, is active. One that somebody else holds is passed over. Whoever opens a turn locks its
   * session and makes it active, so no turn comes in behind this lock.
   */
  lockSessions({ userId, projectId }: DueProject, days: number, limit: number): Promise<DueSession[]> {
    return this.unitOfWork.query<DueSession>(
      `select s.id, s.last_seq as size from chat_sessions s
       where s.user_id = $1 and s.project_id = $2 and s.last_active_at < now() - $3::int * interval '24 hours'
         and not exists (select from turns t where t.user_id = $1 and t.session_id = s.id)
       order by s.last_active_at, s.id limit $4 for update skip locked`,
      [userId, projectId, days, limit],
    );
  }

  /** Deletes locked sessions with all below them, and the kept answers that show something of them. */
  async remove(userId: string, sessionIds: readonly string[]): Promise<RetentionCounts> {
    const idempotencyKeys = await this.removeKeys(userId, sessionIds);
    let messages = 0;
    for (let deleted = MESSAGES_AT_ONCE; deleted === MESSAGES_AT_ONCE; messages += deleted) {
      deleted = await this.removeMessages(userId, sessionIds);
    }
    await this.unitOfWork.query('delete from chat_sessions where user_id = $1 and id = any ($2::uuid[])', [
      userId,
      sessionIds,
    ]);
    return { sessions: sessionIds.length, messages, idempotencyKeys };
  }

  /** Keeps what has gone so far, for the audit log, until the last of it goes. */
  async addToRun(
    { userId, projectId }: DueProject,
    { sessions, messages, idempotencyKeys }: RetentionCounts,
  ): Promise<void> {
    await this.unitOfWork.query(
      `insert into retention_runs as r (user_id, project_id, sessions, messages, idempotency_keys)
       values ($1, $2, $3, $4, $5)
       on conflict on constraint pk_retention_runs do update set sessions = r.sessions + excluded.sessions,
         messages = r.messages + excluded.messages, idempotency_keys = r.idempotency_keys + excluded.idempotency_keys`,
      [userId, projectId, sessions, messages, idempotencyKeys],
    );
  }

  /** What had gone before, taken out: it is told now. */
  async takeRun({ userId, projectId }: DueProject): Promise<RetentionCounts | null> {
    const [row] = await this.unitOfWork.query<RetentionCounts>(
      `with taken as (
         delete from retention_runs where user_id = $1 and project_id = $2 returning sessions, messages, idempotency_keys
       )
       select sessions, messages, idempotency_keys as "idempotencyKeys" from taken`,
      [userId, projectId],
    );
    return row ?? null;
  }

  /** The newest first: what continues a message is newer, so the foreign key on the parent finds nothing to take along. */
  private async removeMessages(userId: string, sessionIds: readonly string[]): Promise<number> {
    const [row] = await this.unitOfWork.query<{ deleted: number }>(
      `with doomed as (
         delete from messages where user_id = $1 and id = any (array(
           select id from messages where user_id = $1 and session_id = any ($2::uuid[])
           order by seq desc limit ${MESSAGES_AT_ONCE})) returning 1)
       select count(*)::int as deleted from doomed`,
      [userId, sessionIds],
    );
    return row?.deleted ?? 0;
  }

  /** Keys of turns point to their answer; other answers name the session, or are the session. What a sweep holds, it removes. */
  private async removeKeys(userId: string, sessionIds: readonly string[]): Promise<number> {
    const [row] = await this.unitOfWork.query<{ deleted: number }>(
      `with found as materialized (
         select route, key from idempotency_keys
         where user_id = $1 and (
           message_id in (select m.id from messages m where m.user_id = $1 and m.session_id = any ($2::uuid[]))
           or response -> 'body' ->> 'session_id' = any ($2::uuid[]::text[])
           or response -> 'body' ->> 'id' = any ($2::uuid[]::text[]))
         for update skip locked
       ), gone as (
         delete from idempotency_keys k using found f
         where k.user_id = $1 and k.route = f.route and k.key = f.key returning 1)
       select count(*)::int as deleted from gone`,
      [userId, sessionIds],
    );
    return row?.deleted ?? 0;
  }
}
