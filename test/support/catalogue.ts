import type { TestDatabase } from './test-database.js';

/** Reads the schema from PostgreSQL, so that a test of all tables also covers new tables. */
export interface Table {
  readonly name: string;
  /** The column with the tenant: `user_id`, or `id` of users itself; null when rows have no owner. */
  readonly owner: 'user_id' | 'id' | null;
  readonly columns: readonly Column[];
  readonly primaryKey: readonly string[];
  readonly foreignKeys: readonly ForeignKey[];
}

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly isRequired: boolean;
}

export interface ForeignKey {
  readonly name: string;
  readonly columns: readonly string[];
  readonly target: string;
  readonly targetColumns: readonly string[];
}

/** All tables, parents before children. */
export async function readTables(database: Pick<TestDatabase, 'query'>): Promise<Table[]> {
  const tables = await database.query<Omit<Table, 'owner'>>(`
    select c.relname as name,
      (select json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod),
         'isRequired', a.attnotnull and not a.atthasdef and a.attidentity = '') order by a.attnum)
       from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      coalesce((select array_agg(a.attname::text order by k.place) from pg_constraint p,
         unnest(p.conkey) with ordinality k(attnum, place), pg_attribute a
       where p.conrelid = c.oid and p.contype = 'p' and a.attrelid = c.oid and a.attnum = k.attnum), '{}') as "primaryKey",
      coalesce((select json_agg(json_build_object('name', f.conname, 'target', f.confrelid::regclass::text,
         'columns', (select json_agg(a.attname order by k.place) from unnest(f.conkey) with ordinality k(attnum, place),
            pg_attribute a where a.attrelid = f.conrelid and a.attnum = k.attnum),
         'targetColumns', (select json_agg(a.attname order by k.place) from unnest(f.confkey) with ordinality k(attnum, place),
            pg_attribute a where a.attrelid = f.confrelid and a.attnum = k.attnum)) order by f.conname)
       from pg_constraint f where f.conrelid = c.oid and f.contype = 'f'), '[]') as "foreignKeys"
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') order by c.relname`);
  return parentsFirst(tables.map((table) => ({ ...table, owner: ownerOf(table) })));
}

function ownerOf({ name, columns }: Omit<Table, 'owner'>): Table['owner'] {
  if (name === 'users') return 'id';
  return columns.some((column) => column.name === 'user_id') ? 'user_id' : null;
}

function parentsFirst(tables: readonly Table[]): Table[] {
  const sorted: Table[] = [];
  const isPlaced = (name: string): boolean => sorted.some((table) => table.name === name);
  while (sorted.length < tables.length) {
    const next = tables.find(
      ({ name, foreignKeys }) =>
        !isPlaced(name) && foreignKeys.every(({ target }) => target === name || isPlaced(target)),
    );
    if (next === undefined) throw new Error('the foreign keys go in a circle');
    sorted.push(next);
  }
  return sorted;
}

/** Every row of every table as text, to show that nothing has changed. */
export async function dump(
  database: Pick<TestDatabase, 'query'>,
  tables: readonly Table[],
): Promise<Record<string, string[]>> {
  const rows: Record<string, string[]> = {};
  for (const { name } of tables) {
    rows[name] = (
      await database.query<{ row: string }>(`select t::text as row from ${name} t order by t::text collate "C"`)
    ).map(({ row }) => row);
  }
  return rows;
}
