import { Injectable } from '@nestjs/common';
import { DatabaseError, type PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { fromPgError } from './pg-errors.js';
import { takeClient, type Tenant } from './pg-pool.js';
import { sendable, transact } from './pg-transaction.js';
import type { RowsOf, Statement } from './statement.js';

/**
 * A whole transaction in one round trip, for the hot path: the tenant and the statements are sent in one write, and their
 * results arrive together. JavaScript cannot pass the result of one statement to another; SQL must do that.
 */
@Injectable()
export class Pipeline {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs the statements in order as `actor`, all or none, and returns the rows of each in order.
   * Throws the error of the first statement that failed, mapped to the catalogue where possible.
   * @param ahead statements that run first and whose rows are not returned
   */
  async run<const S extends readonly Statement[]>(
    actor: Tenant,
    statements: S,
    ahead: readonly Statement[] = [],
  ): Promise<RowsOf<S>> {
    const all = sendable(actor, ahead.length === 0 ? statements : [...ahead, ...statements]);
    let client: PoolClient | undefined;
    let broken: Error | undefined;
    try {
      client = await takeClient(this.dataSource);
      const rows = await transact(client, all);
      return rows.slice(1 + ahead.length) as RowsOf<S>;
    } catch (error) {
      if (!leavesConnectionSound(error)) broken = error as Error;
      throw fromPgError(error);
    } finally {
      client?.release(broken);
    }
  }
}

// SQLSTATEs that end the session: it was idle or ran for too long, or an operator ended it.
const FATAL = /^(25P0[34]|57P)/;

/** After a failed statement, the connection can be reused. After any other failure, unread answers may still arrive on it. */
function leavesConnectionSound(error: unknown): boolean {
  return error instanceof DatabaseError && !FATAL.test(error.code ?? '');
}
