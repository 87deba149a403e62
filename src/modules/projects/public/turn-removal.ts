import { Injectable } from '@nestjs/common';
import { arrayOf, nullable, statement, uuid } from '../../../platform/database/statement.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';

/** The channel for notifications about turns between instances. */
export const TURN_CHANNEL = 'parley_turns';

// Opening a turn locks its session, so no turn can start behind this lock.
const LOCK_SESSIONS = statement<{ id: string }>()(
  'turn_removal_lock_sessions',
  { userId: uuid, projectId: nullable(uuid), sessionId: nullable(uuid) },
  `
select id from chat_sessions
where user_id = :userId and (:projectId::uuid is null or project_id = :projectId) and (:sessionId::uuid is null or id = :sessionId)
order by id for update`,
);

// Locks all turns before it deletes the first one; only collecting them in an array guarantees that. A transaction that
// has just locked a waiting turn to claim it must be refused because another turn runs, and must not wait until we
// delete that turn. Notifies the instances that run the turns.
const REMOVE_TURNS = statement<object>()(
  'turn_removal_remove',
  { userId: uuid, sessionIds: arrayOf(uuid) },
  `
with doomed as materialized (
  select message_id from turns where user_id = :userId and session_id = any (:sessionIds::uuid[]) order by message_id for update
), removed as (
  delete from turns where user_id = :userId and message_id = any (array(select message_id from doomed))
  returning owner, is_running
)
select pg_notify('${TURN_CHANNEL}', 'stop ' || owner) from (select distinct owner from removed where is_running) o`,
);

/**
 * Deletes turns before their sessions are deleted, in the lock order of all code that handles turns: session, turns by
 * id, messages. The foreign keys alone would lock messages before turns, but settling a turn locks the turn before its
 * message, which could deadlock. Call it in the unit of work that deletes, before the delete.
 */
@Injectable()
export class TurnRemoval {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /**
   * Removes the turns of a session, of a project or of the user. No turn can be opened there until the unit of work
   * ends.
   */
  async removeTurns(
    userId: string,
    { projectId = null, sessionId = null }: { projectId?: string | null; sessionId?: string | null } = {},
  ): Promise<void> {
    const sessions = await this.unitOfWork.query(LOCK_SESSIONS({ userId, projectId, sessionId }));
    await this.unitOfWork.query(REMOVE_TURNS({ userId, sessionIds: sessions.map(({ id }) => id) }));
  }
}
