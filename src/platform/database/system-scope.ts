import { Injectable, Logger } from '@nestjs/common';
import type { QueryResult } from 'pg';
import { DataSource } from 'typeorm';
import { SYSTEM_ROLE } from './data-source.js';
import { fromPgError } from './pg-errors.js';
import { commit, takeClient } from './pg-pool.js';
import type { Statement } from './statement.js';

/** The rows of a statement, and how many it has returned or changed. */
type Result<Row extends object> = Pick<QueryResult<Row>, 'rows' | 'rowCount'>;

/**
 * Looks across tenants, for the few jobs that must. The role it takes has policies and grants on just the tables and
 * columns these need, so even this scope cannot read a conversation. Each use says why; grep finds them all.
 */
@Injectable()
export class SystemScope {
  private readonly log = new Logger(SystemScope.name);

  constructor(private readonly dataSource: DataSource) {}

  /** Runs one statement in a transaction of its own, in one round trip. */
  async query<Row extends object>(reason: string, { name, text, values }: Statement<Row>): Promise<Result<Row>> {
    this.log.debug(reason);
    let isClean = false;
    const client = await takeClient(this.dataSource).catch((error: unknown) => {
      throw fromPgError(error);
    });
    try {
      const outcomes = await Promise.allSettled([
        client.query(`begin; set local role ${SYSTEM_ROLE}`),
        client.query<Row>({ name, text, values: [...values] }),
        commit(client),
      ]);
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      isClean = true;
      return (outcomes[1] as PromiseFulfilledResult<QueryResult<Row>>).value;
    } catch (error) {
      throw fromPgError(error);
    } finally {
      // A failed system statement is rare; its connection is not worth the risk of a role left behind.
      client.release(isClean ? undefined : true);
    }
  }
}
