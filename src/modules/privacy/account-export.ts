import { Readable } from 'node:stream';
import { Injectable, Logger } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { AuditLog } from '../../platform/audit/audit-log.js';
import { type ContentKey, ContentKeys, projectOf } from '../../platform/crypto/content-keys.js';
import { type Statement, statement, text, uuid } from '../../platform/database/statement.js';
import { type TenantSnapshot, TenantSnapshots } from '../../platform/database/tenant-snapshot.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';
import { NOT_EXPORTED } from './not-exported.js';
import { LIST_TENANT_TABLES, quoted, type TenantTable } from './tenant-tables.js';

/** The version of the archive format. A reader of version 1 can read every archive with version 1. */
const VERSION = 1;
/** Each export has its own connection outside of the pool. */
const MAX_AT_ONCE = 4;
const MAX_MS = 3_600_000;
const RETRY_SECONDS = 30;

const TAKE_TURN = statement<{ isFree: boolean; exists: boolean }>()(
  'export_take_turn',
  { name: text, userId: uuid },
  `select pg_try_advisory_xact_lock(hashtextextended(:name, 0)) as "isFree",
         exists (select 1 from users where id = :userId) as exists`,
);

const READ_NOW = statement<{ now: Date }>()('export_read_now', {}, 'select now()');

/** The keys of the user's projects, as `ContentKeys.unwrap` takes them. */
const READ_KEYS = statement<Parameters<ContentKeys['unwrap']>[0]>()(
  'export_read_keys',
  { userId: uuid },
  `select user_id as "userId", project_id as "projectId", wrapped_key as "wrappedKey", master_version as "masterVersion"
     from content_keys where user_id = :userId`,
);

/**
 * Exports all data of a user as one archive of JSON lines: a header, a line for each row of each table, and a trailer
 * with the counts, by which a reader detects a truncated archive. The tables are read from PostgreSQL's catalogue, so
 * no new table can be forgotten.
 */
@Injectable()
export class AccountExport {
  private readonly log = new Logger(AccountExport.name);
  private running = 0;

  constructor(
    private readonly snapshots: TenantSnapshots,
    private readonly unitOfWork: UnitOfWork,
    private readonly audit: AuditLog,
    private readonly contentKeys: ContentKeys,
  ) {}

  /**
   * Streams the archive from one snapshot, as fast as the reader consumes it. Destroying the stream ends the export.
   *
   * Throws `export_in_progress` while another export of the user runs on any instance, and `overloaded` when too many
   * run here.
   */
  async begin(actor: Actor): Promise<Readable> {
    if (this.running >= MAX_AT_ONCE) throw new AppError('overloaded', { retryAfterSeconds: RETRY_SECONDS });
    this.running++;
    let archive: Readable | undefined;
    let snapshot: TenantSnapshot | undefined;
    const end = (): void => {
      this.running--;
      void snapshot?.close();
    };
    try {
      snapshot = await this.snapshots.begin(actor.userId, (error) => archive?.destroy(error));
      await this.takeTurn(snapshot, actor);
      await this.unitOfWork.run(actor, () => this.audit.record(actor, 'account.exported'));
      archive = Readable.from(archiveOf(snapshot, actor.userId, this.contentKeys));
    } catch (error) {
      end();
      throw error;
    }
    const deadline = setTimeout(() => archive.destroy(new Error('an export took too long')), MAX_MS).unref();
    archive.once('error', (error) => this.log.warn({ err: error }, 'An export was cut'));
    return archive.once('close', () => {
      clearTimeout(deadline);
      end();
    });
  }

  /** Allows one export per user at a time, across all instances. The lock ends with the snapshot. */
  private async takeTurn(snapshot: TenantSnapshot, { userId }: Actor): Promise<void> {
    const [row] = await snapshot.query(TAKE_TURN({ name: `export ${userId}`, userId }));
    if (row?.exists !== true) throw new AppError('unauthenticated');
    if (!row.isFree) throw new AppError('export_in_progress', { retryAfterSeconds: RETRY_SECONDS });
  }
}

/** A row as JSON text from PostgreSQL, and its columns that are encrypted with the key of a project. */
interface ExportedRow {
  readonly row: string;
  readonly ids: readonly string[];
  readonly sealed: readonly (Buffer | null)[];
}

async function* archiveOf(snapshot: TenantSnapshot, userId: string, keys: ContentKeys): AsyncGenerator<string> {
  const tables = await snapshot.query(LIST_TENANT_TABLES({}));
  const [{ now } = {}] = await snapshot.query(READ_NOW({}));
  const names = tables.map(({ name }) => name);
  yield line({ parley_export: VERSION, user_id: userId, exported_at: now, tables: names });
  const contentKeys = await readKeys(snapshot, userId, keys);
  const counts: Record<string, number> = {};
  for (const table of tables) {
    let count = 0;
    const sealedColumns = table.columns.filter((column) => isSealed(table, column));
    for await (const rows of snapshot.read(selectOf(table, sealedColumns, userId))) {
      count += rows.length;
      const texts = rows.map((row) => decrypt(table.name, sealedColumns, row, contentKeys));
      yield texts.map((text) => `{"table":${JSON.stringify(table.name)},"row":${text}}\n`).join('');
    }
    counts[table.name] = count;
  }
  yield line({ end: true, counts });
}

/** Reads the keys in the same snapshot, so a project that is deleted meanwhile is still complete in the archive. */
async function readKeys(
  snapshot: TenantSnapshot,
  userId: string,
  keys: ContentKeys,
): Promise<ReadonlyMap<string, ContentKey>> {
  const rows = await snapshot.query(READ_KEYS({ userId }));
  return new Map(rows.map((row) => [row.projectId, keys.unwrap(row)]));
}

const isSealed = ({ name }: TenantTable, column: string): boolean =>
  /^sealed(_|$)/.test(column) && !Object.hasOwn(NOT_EXPORTED[name] ?? {}, column);

/** Returns the row with its encrypted columns decrypted. A column without a key was erased and stays empty. */
function decrypt(
  table: string,
  columns: readonly string[],
  { row, ids, sealed }: ExportedRow,
  keys: ReadonlyMap<string, ContentKey>,
): string {
  if (sealed.every((box) => box === null)) return row;
  const parts = columns.map((column, i) => {
    const box = sealed[i] ?? null;
    return box === null ? {} : keys.get(projectOf(box))?.decrypt({ table, column, ids }, box);
  });
  return JSON.stringify(Object.assign(JSON.parse(row) as object, ...parts));
}

/** PostgreSQL produces the JSON, so omitted columns never leave the database. */
function selectOf(table: TenantTable, sealedColumns: readonly string[], userId: string): Statement<ExportedRow> {
  const { name, owner, columns, primaryKey } = table;
  const left = NOT_EXPORTED[name] ?? {};
  const shown = columns.filter((column) => !Object.hasOwn(left, column) && !sealedColumns.includes(column));
  const ofRow = (names: readonly string[], type = ''): string =>
    names.map((one) => `t.${quoted(one)}${type}`).join(', ');
  const ids = primaryKey.filter((column) => column !== owner);
  const select = `select row_to_json(r)::text as row, array[${ofRow(ids, '::text')}]::text[] as ids, array[${ofRow(sealedColumns)}]::bytea[] as sealed
    from ${quoted(name)} t cross join lateral (select ${ofRow(shown)}) r where t.${owner} = :userId order by ${ofRow(primaryKey)}`;
  return statement<ExportedRow>()('export_read_table', { userId: uuid }, select)({ userId });
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;
