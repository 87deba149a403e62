import { Injectable } from '@nestjs/common';
import { Client } from 'pg';
import { isId } from '../../kernel/ids.js';
import { DatabaseConfig } from './database.config.js';
import { fromPgError } from './pg-errors.js';
import { ProductDatabase } from './product-database.js';
import type { Rows, Statement } from './statement.js';

/** Rows per batch: a single row can be a million characters long. */
const BATCH = 20;
/** How long the reader may leave the transaction idle. An open snapshot keeps PostgreSQL from cleaning up. */
const IDLE_MS = 60_000;

/**
 * All data of one tenant at one moment, for a slow reader: one read-only transaction on its own connection, so that a slow
 * reader never uses a connection that requests need. Row-level security admits only the tenant.
 */
export class TenantSnapshot {
  constructor(private readonly client: Client) {}

  async query<R extends object>({ text, values }: Statement<R>): Promise<Rows<R>> {
    return (await this.client.query<R>(text, [...values])).rows;
  }

  /** The rows of a SELECT, in batches that are read on demand. Only one read may run at a time. */
  async *read<R extends object>({ text, values }: Statement<R>): AsyncGenerator<Rows<R>> {
    await this.client.query(`declare reading no scroll cursor for ${text}`, [...values]);
    for (;;) {
      const { rows } = await this.client.query<R>(`fetch ${BATCH} from reading`);
      if (rows.length > 0) yield rows;
      if (rows.length < BATCH) break;
    }
    await this.client.query('close reading');
  }

  async close(): Promise<void> {
    await this.client.end().catch(() => undefined);
  }
}

@Injectable()
export class TenantSnapshots {
  constructor(
    private readonly config: DatabaseConfig,
    private readonly product: ProductDatabase,
  ) {}

  /** Begins a snapshot; the caller closes it. `onLost` is called when the connection is lost. */
  async begin(userId: string, onLost: (error: Error) => void): Promise<TenantSnapshot> {
    if (!isId(userId)) throw new TypeError('tenant is not an id');
    const { databaseUrl, databaseConnectTimeoutMs, databaseStatementTimeoutMs } = this.config;
    const client = new Client({
      connectionString: databaseUrl,
      application_name: 'parley-snapshot',
      options: `-c role=${this.product.appRole} -c jit=off -c timezone=UTC`,
      keepAlive: true,
      connectionTimeoutMillis: databaseConnectTimeoutMs,
      statement_timeout: databaseStatementTimeoutMs,
      query_timeout: databaseStatementTimeoutMs + 1000,
      idle_in_transaction_session_timeout: IDLE_MS,
    });
    client.on('error', onLost);
    try {
      await client.connect();
      await client.query(`begin isolation level repeatable read read only; set local app.user_id = '${userId}'`);
      return new TenantSnapshot(client);
    } catch (error) {
      await client.end().catch(() => undefined);
      throw fromPgError(error);
    }
  }
}
