import { Injectable } from '@nestjs/common';
import { newId } from '../../kernel/ids.js';
import { SystemScope } from '../database/system-scope.js';

/** The channel on which instances tell each other to look. */
export const CIRCUITS_CHANNEL = 'parley_circuits';

export interface CircuitRow {
  readonly key: string;
  readonly isOpen: boolean;
  /** By the database's clock; negative when that time is over. */
  readonly remainingMs: number;
}

@Injectable()
export class CircuitsRepository {
  /** This instance, which knows what it has told itself. */
  readonly teller = newId();

  constructor(private readonly system: SystemScope) {}

  /** Opens a circuit for so many milliseconds, or closes it (0), and tells the other instances. */
  async put(key: string, openMs: number): Promise<void> {
    await this.system.query('tell what is not called for the moment', {
      name: 'circuits_put',
      text: `
with put as (
  insert into circuits (key, is_open, open_until, told_by)
  values ($1, $2::int > 0, now() + $2 * interval '1 millisecond', $3::uuid)
  on conflict on constraint pk_circuits do update
  set is_open = excluded.is_open, open_until = excluded.open_until, told_by = excluded.told_by,
    changed_xid = excluded.changed_xid
)
select pg_notify('${CIRCUITS_CHANNEL}', $3::text)`,
      values: [key, Math.ceil(openMs), this.teller],
    });
  }

  /** Rows that others wrote since the look that answered `since` ('0': all), and what to ask from next time, as of revocations. */
  async readSince(since: string): Promise<{ rows: CircuitRow[]; since: string }> {
    const { rows } = await this.system.query('see what other instances do not call', {
      name: 'circuits_read_since',
      text: `
select now.since, c.key, c.is_open as "isOpen",
  extract(epoch from c.open_until - now())::float8 * 1000 as "remainingMs"
from (select pg_snapshot_xmin(pg_current_snapshot())::text as since) as now
left join circuits c on c.changed_xid >= $1::xid8 and c.told_by <> $2`,
      values: [since, this.teller],
    });
    const found = rows as (CircuitRow & { since: string })[];
    return { since: found[0]?.since ?? since, rows: found.filter(({ key }) => key !== null) };
  }

  /** Removes what was open long ago. */
  async sweep(): Promise<void> {
    await this.system.query('forget circuits', {
      name: 'circuits_sweep',
      text: `delete from circuits where open_until < now() - interval '1 hour'`,
      values: [],
    });
  }
}
