import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { SystemScope } from '../database/system-scope.js';
import { int, statement, text, uuid } from '../database/statement.js';

/** The channel on which instances notify each other of changed circuits. */
export const CIRCUITS_CHANNEL = 'parley_circuits';

export interface CircuitRow {
  readonly key: string;
  readonly isOpen: boolean;
  /** By the database's clock; negative when the circuit may be tried again. */
  readonly remainingMs: number;
}

const PUT = statement<object>()(
  'circuits_put',
  { key: text, openMs: int, teller: uuid },
  `
with put as (
  insert into circuits (key, is_open, open_until, told_by)
  values (:key, :openMs::int > 0, now() + :openMs * interval '1 millisecond', :teller::uuid)
  on conflict on constraint pk_circuits do update
  set is_open = excluded.is_open, open_until = excluded.open_until, told_by = excluded.told_by,
    changed_xid = excluded.changed_xid
)
select pg_notify('${CIRCUITS_CHANNEL}', :teller::text)`,
);

/** There is at least one row, which has `since`; its key is null when no circuit has changed. */
type ChangedRow = { readonly since: string } & (CircuitRow | { readonly key: null });

const READ_SINCE = statement<ChangedRow>()(
  'circuits_read_since',
  { since: text, teller: uuid },
  `
select now.since, c.key, c.is_open as "isOpen",
  extract(epoch from c.open_until - now())::float8 * 1000 as "remainingMs"
from (select pg_snapshot_xmin(pg_current_snapshot())::text as since) as now
left join circuits c on c.changed_xid >= :since::xid8 and c.told_by <> :teller`,
);

const SWEEP = statement<object>()(
  'circuits_sweep',
  {},
  `delete from circuits where open_until < now() - interval '1 hour'`,
);

@Injectable()
export class CircuitsRepository {
  /** Identifies this instance, so that it skips its own rows. */
  readonly teller = newId();

  constructor(private readonly system: SystemScope) {}

  /** Opens a circuit for the given milliseconds, or closes it (0), and notifies the other instances. */
  async put(key: string, openMs: number): Promise<void> {
    const put = PUT({ key, openMs: Math.ceil(openMs), teller: this.teller });
    await this.system.query('tell what is not called for the moment', put);
  }

  /** Rows that others wrote after the read that returned `since` ('0': all), and the next `since`, as for revocations. */
  async readSince(since: string): Promise<{ rows: CircuitRow[]; since: string }> {
    const changed = READ_SINCE({ since, teller: this.teller });
    const { rows } = await this.system.query('see what other instances do not call', changed);
    return { since: rows[0]?.since ?? since, rows: rows.filter((row) => row.key !== null) };
  }

  /** Removes circuits that were open long ago. */
  async sweep(): Promise<void> {
    await this.system.query('forget circuits', SWEEP({}));
  }
}
