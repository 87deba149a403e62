import { Injectable } from '@nestjs/common';
import { Client } from 'pg';
import { isId } from '../../kernel/ids.js';
import { AppConfig } from '../config/app-config.js';
import { APP_ROLE } from './data-source.js';
import { fromPgError } from './pg-errors.js';
import { type Rows, statement, type Statement } from './statement.js';

/** Rows asked for at a time: one of them can be a million characters long. */
const BATCH = 20;
/** How long a reader may leave the transaction idle; a snapshot that nobody reads keeps PostgreSQL from cleaning up. */
const IDLE_MS = 60_000;

/** A table with rows of a tenant. */
export interface TenantTable {
  readonly name: string;
  /** The column with the tenant. */
  readonly owner: 'id' | 'user_id';
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
}

/**
 * Every table with rows of a tenant: users, and all that have a user_id. From PostgreSQL's own catalogue, which a new
 * table is in by itself, also one that nobody may read yet.
 */
export const TENANT_TABLES = `
select c.relname as name, case c.relname when 'users' then 'id' else 'user_id' end as owner,
  array_agg(a.attname::text order by a.attnum) as columns,
  (select array_agg(k.attname::text order by array_position(i.indkey::int2[], k.attnum))
   from pg_index i join pg_attribute k on k.attrelid = i.indrelid and k.attnum = any (i.indkey)
   where i.indrelid = c.oid and i.indisprimary) as "primaryKey"
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
group by c.oid, c.relname
having c.relname = 'users' or bool_or(a.attname = 'user_id')
order by c.relname <> 'users', c.relname`;

export const LIST_TENANT_TABLES = statement<TenantTable>()('tenant_tables_list', {}, TENANT_TABLES);

/** Quotes a name of the catalogue. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * All that one tenant has, as it was at one moment, for a slow reader: one read-only transaction on a
 * connection of its own, so that slow readers never hold what requests need. Row-level security admits the tenant alone.
 */
export class TenantSnapshot {
  constructor(private readonly client: Client) {}

  async query<R extends object>({ text, values }: Statement<R>): Promise<Rows<R>> {
    return (await this.client.query<R>(text, [...values])).rows;
  }

  /** The rows of a SELECT, some at a time, each batch when it is asked for. One reading after the other. */
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
  constructor(private readonly config: AppConfig) {}

  /** Begins a snapshot; the caller closes it. `onLost` is called when the connection ends by itself. */
  async begin(userId: string, onLost: (error: Error) => void): Promise<TenantSnapshot> {
    if (!isId(userId)) throw new TypeError('tenant is not an id');
    const { databaseUrl, databaseConnectTimeoutMs, databaseStatementTimeoutMs } = this.config;
    const client = new Client({
      connectionString: databaseUrl,
      application_name: 'parley-snapshot',
      options: `-c role=${APP_ROLE} -c jit=off -c timezone=UTC`,
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
