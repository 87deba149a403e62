import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import { fromPgError } from './pg-errors.js';
import { takeClient, type Tenant } from './pg-pool.js';
import { transact } from './pg-transaction.js';
import type { Answer, Statement } from './statement.js';

/**
 * A whole transaction in one round trip, for the hot path: the tenant and the statements leave in one write and come back in
 * one answer. A statement can not use the result of another in JavaScript; SQL must do that.
 */
@Injectable()
export class Pipeline {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs the statements in order as `actor`, all or none, and returns their results in order.
   * Throws the first statement's error that failed, mapped to the catalogue where it is known there.
   */
  async run(actor: Tenant, statements: readonly Statement[]): Promise<Answer[]> {
    let client: PoolClient | undefined;
    let failure: Error | undefined;
    try {
      client = await takeClient(this.dataSource);
      return await transact(client, actor, statements);
    } catch (error) {
      failure = error as Error;
      throw fromPgError(error);
    } finally {
      client?.release(isBroken(client) ? failure : undefined);
    }
  }
}

/** After COMMIT or a failed statement the connection is idle again; anything else is not to be given to another caller. */
function isBroken(client: PoolClient): boolean {
  return (client as unknown as { getTransactionStatus(): string | null }).getTransactionStatus() !== 'I';
}
