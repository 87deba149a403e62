import { Injectable } from '@nestjs/common';
import { arrayOf, nullable, statement, uuid } from '../../../platform/database/statement.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';

/** The channel on which instances tell each other of turns. */
export const TURN_CHANNEL = 'parley_turns';

// Whoever opens a turn locks its session, so none comes in behind this lock.
const LOCK_SESSIONS = statement<{ id: string }>()(
  'turn_removal_lock_sessions',
  { userId: uuid, projectId: nullable(uuid), sessionId: nullable(uuid) },
  `
select id from chat_sessions
where user_id = :userId and (:projectId::uuid is null or project_id = :projectId) and (:sessionId::uuid is null or id = :sessionId)
order by id for update`,
);

// All are locked before the first one goes, which only an array makes sure of: who has just locked a turn that waits, to claim
// it, must be refused because another runs, and not wait for us to delete that. Wakes those who run them.
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
 * Ends the turns of what is about to be deleted, in the order of locks that all who work on turns keep: session, turns by
 * id, messages. The foreign keys alone would go from the messages to their turns, and meet who settles one on its way
 * from the turn to its message: a deadlock. Call it in the unit of work that deletes, before it does.
 */
@Injectable()
export class TurnRemoval {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Of a session, of all sessions of a project, or of all the user's. None can be opened there until the unit of work ends. */
  async removeTurns(
    userId: string,
    { projectId = null, sessionId = null }: { projectId?: string | null; sessionId?: string | null } = {},
  ): Promise<void> {
    const sessions = await this.unitOfWork.query(LOCK_SESSIONS({ userId, projectId, sessionId }));
    await this.unitOfWork.query(REMOVE_TURNS({ userId, sessionIds: sessions.map(({ id }) => id) }));
  }
}
