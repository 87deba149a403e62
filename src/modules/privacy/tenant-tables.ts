import { statement } from '../../platform/database/statement.js';

/** A table with rows of a tenant. */
export interface TenantTable {
  readonly name: string;
  /** The column with the tenant's id. */
  readonly owner: 'id' | 'user_id';
  readonly columns: readonly string[];
  readonly primaryKey: readonly string[];
}

/**
 * Finds every table with rows of a tenant: `users`, and all tables with a `user_id`. PostgreSQL's catalogue contains
 * every new table automatically, even one without any grants.
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

/** Quotes a name from the catalogue. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
