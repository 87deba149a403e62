import type { Pool, PoolClient } from 'pg';
import type { DataSource } from 'typeorm';
import type { Actor } from '../../kernel/actor.js';
import { isId } from '../../kernel/ids.js';

/** The rows that a transaction sees: those of a user, or with a project only those that belong to that project. */
export type Tenant = Pick<Actor, 'userId'> & Partial<Pick<Actor, 'projectId'>>;

/** The pool below TypeORM: repositories and the hot path share its connections. */
export function pgPool(dataSource: DataSource): Pool {
  return (dataSource.driver as unknown as { master: Pool }).master;
}

// One named function, so that a connection gets the listener only once.
const ignoreLoss = (): void => undefined;

/**
 * Takes a connection from the pool. If it is lost while in use, its statements fail; the driver also emits an `error`, which
 * would end the process, because a connection in use has no listener.
 */
export async function takeClient(dataSource: DataSource): Promise<PoolClient> {
  const client = await pgPool(dataSource).connect();
  if (!client.listeners('error').includes(ignoreLoss)) client.on('error', ignoreLoss);
  return client;
}

/**
 * Begins a transaction for one tenant. Both statements travel in one message and need not be awaited: on a pipelined
 * connection, later statements are answered after them, and fail if they fail.
 */
export function beginFor(client: PoolClient, { userId, projectId }: Tenant): Promise<unknown> {
  // SET takes no parameters; the checks make the quoting safe.
  if (!isId(userId)) throw new TypeError('tenant is not an id');
  if (projectId == null) return client.query(`begin; set local app.user_id = '${userId}'`);
  if (!isId(projectId)) throw new TypeError('project is not an id');
  return client.query(`begin; set local app.user_id = '${userId}'; set local app.project_id = '${projectId}'`);
}

/**
 * Commits. PostgreSQL answers COMMIT after a failed statement with success and the tag ROLLBACK, so the tag is what counts.
 */
export async function commit(client: PoolClient): Promise<void> {
  const { command } = await client.query('commit');
  if (command !== 'COMMIT') throw new Error(`the transaction ended as ${command}`);
}
