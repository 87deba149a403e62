import { Injectable } from '@nestjs/common';
import { DatabaseError, type PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { fromPgError } from './pg-errors.js';
import { takeClient, type Tenant } from './pg-pool.js';
import { sendable, transact } from './pg-transaction.js';
import type { RowsOf, Statement } from './statement.js';

/**
 * A whole transaction in one round trip, for the hot path: the tenant and the statements leave in one write and come back in
 * one read. A statement cannot use the result of another in JavaScript; SQL must do that.
 */
@Injectable()
export class Pipeline {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs the statements in order as `actor`, all or none, and returns the rows of each in order.
   * Throws the first statement's error that failed, mapped to the catalogue where it is known there.
   * @param ahead statements that run before them and whose rows nobody reads
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

// SQLSTATEs with which the server ends the session: for idling or running too long, and by an operator.
const FATAL = /^(25P0[34]|57P)/;

/** A failed statement leaves its connection idle for the next caller. After any other failure nobody knows what is still to come. */
function leavesConnectionSound(error: unknown): boolean {
  return error instanceof DatabaseError && !FATAL.test(error.code ?? '');
}
