import { Injectable } from '@nestjs/common';
import type { PoolClient, QueryResult } from 'pg';
import { DataSource } from 'typeorm';
import { fromPgError } from './pg-errors.js';
import { beginFor, commit, takeClient, type Tenant } from './pg-pool.js';

/** A statement that PostgreSQL parses once per connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * A whole transaction in one round trip, for the hot path: BEGIN, the tenant, the statements and COMMIT leave in one
 * write and come back in one answer. A statement can not use the result of another in JavaScript; SQL must do that.
 */
@Injectable()
export class Pipeline {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs the statements in order as `actor`, all or none, and returns their results in order.
   * Throws the first statement's error that failed, mapped to the catalogue where it is known there.
   */
  async run(actor: Tenant, statements: readonly Statement[]): Promise<QueryResult[]> {
    let client: PoolClient | undefined;
    let failure: Error | undefined;
    try {
      client = await takeClient(this.dataSource);
      return await send(client, actor, statements);
    } catch (error) {
      failure = error as Error;
      throw fromPgError(error);
    } finally {
      client?.release(isBroken(client) ? failure : undefined);
    }
  }
}

async function send(client: PoolClient, tenant: Tenant, statements: readonly Statement[]): Promise<QueryResult[]> {
  const { stream } = (client as unknown as { connection: { stream: { cork(): void; uncork(): void } } }).connection;
  const answers: Promise<unknown>[] = [];
  stream.cork();
  try {
    answers.push(beginFor(client, tenant));
    for (const { name, text, values } of statements) {
      answers.push(client.query({ name, text, values: values as unknown[] }));
    }
    answers.push(commit(client));
  } finally {
    stream.uncork();
  }
  const outcomes = await Promise.allSettled(answers);
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  return outcomes.slice(1, -1).map((outcome) => (outcome as PromiseFulfilledResult<QueryResult>).value);
}

/** After COMMIT or a failed statement the connection is idle again; anything else is not to be given to another caller. */
function isBroken(client: PoolClient): boolean {
  return (client as unknown as { getTransactionStatus(): string | null }).getTransactionStatus() !== 'I';
}
