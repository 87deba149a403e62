import { Injectable, Logger } from '@nestjs/common';
import type { QueryResult } from 'pg';
import { DataSource } from 'typeorm';
import { fromPgError } from './pg-errors.js';
import { commit, takeClient } from './pg-pool.js';
import { ProductDatabase } from './product-database.js';
import type { Statement } from './statement.js';

/** The rows of a statement, and how many rows it returned or changed. */
type Result<Row extends object> = Pick<QueryResult<Row>, 'rows' | 'rowCount'>;

/**
 * Reads across tenants, for the few jobs that must. Its role has policies and grants only on the tables and columns that
 * these jobs need, so it cannot read a conversation. Each call states its reason, so that grep finds them all.
 */
@Injectable()
export class SystemScope {
  private readonly log = new Logger(SystemScope.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly product: ProductDatabase,
  ) {}

  /** Runs one statement in its own transaction, in one round trip. */
  async query<Row extends object>(reason: string, { name, text, values }: Statement<Row>): Promise<Result<Row>> {
    this.log.debug(reason);
    let isClean = false;
    const client = await takeClient(this.dataSource).catch((error: unknown) => {
      throw fromPgError(error);
    });
    try {
      const outcomes = await Promise.allSettled([
        client.query(`begin; set local role ${this.product.systemRole}`),
        client.query<Row>({ name, text, values: [...values] }),
        commit(client),
      ]);
      for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
      isClean = true;
      return (outcomes[1] as PromiseFulfilledResult<QueryResult<Row>>).value;
    } catch (error) {
      throw fromPgError(error);
    } finally {
      // A system statement rarely fails, so its connection is closed rather than risk that it keeps the system role.
      client.release(isClean ? undefined : true);
    }
  }
}
