import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { boolean, int, nullable, statement, text, uuid } from '../database/statement.js';
import { SystemScope } from '../database/system-scope.js';

/** How long a run is alive without a renewal. Its longest step is a transaction of a few statements. */
const LEASE_SECONDS = 120;

// `hour` is an hour of the day in UTC, or null for now. A night that was missed because no instance ran is made up for.
const CLAIM = statement<{ runId: string }>()(
  'nightly_claim',
  { name: text, hour: nullable(int) },
  `
update nightly_jobs set run_id = gen_random_uuid(), lease_until = now() + interval '${LEASE_SECONDS} seconds'
where name = :name and lease_until < now() and (:hour::int is null or
  done_at < date_trunc('day', now() - :hour::int * interval '1 hour', 'UTC') + :hour::int * interval '1 hour')
returning run_id as "runId"`,
);

const RENEW = statement<object>()(
  'nightly_renew',
  { name: text, runId: uuid },
  `
update nightly_jobs set lease_until = now() + interval '${LEASE_SECONDS} seconds'
where name = :name and run_id = :runId and lease_until > now()`,
);

// If the run is not done, another instance may continue at once.
const END = statement<object>()(
  'nightly_end',
  { name: text, runId: uuid, isDone: boolean },
  `
update nightly_jobs set run_id = null, lease_until = '-infinity', done_at = case when :isDone then now() else done_at end
where name = :name and run_id = :runId`,
);

/** A run of a nightly job that this instance has claimed. */
export interface NightlyRun {
  /** Renews the lease. Call it before each step and stop when it returns false: the run continues elsewhere or later. */
  renew(): Promise<boolean>;
}

/**
 * Jobs that run once a night, on one instance: the first to ask claims the run and keeps it as long as it renews its lease.
 * The clock of the database decides when the night begins. A job is a row of `nightly_jobs`, which a migration creates.
 */
@Injectable()
export class NightlyJobs implements OnModuleDestroy {
  private readonly running = new Set<Promise<unknown>>();
  private isLeaving = false;

  constructor(private readonly system: SystemScope) {}

  /**
   * Does the work if it is due and no other instance is doing it; otherwise returns null.
   * @param hourUtc the hour of the day from which it is due; null: now, even if it was done today
   */
  async run<T>(name: string, hourUtc: number | null, work: (run: NightlyRun) => Promise<T>): Promise<T | null> {
    const { rows } = await this.system.query('take a nightly job', CLAIM({ name, hour: hourUtc }));
    const [claimed] = rows;
    if (claimed === undefined) return null;
    const running = this.work(name, claimed.runId, work);
    this.running.add(running);
    return running.finally(() => this.running.delete(running));
  }

  /** The current step finishes; another instance does the rest. */
  async onModuleDestroy(): Promise<void> {
    this.isLeaving = true;
    await Promise.allSettled(this.running);
  }

  private async work<T>(name: string, runId: string, work: (run: NightlyRun) => Promise<T>): Promise<T> {
    let isWhole = true;
    let isDone = false;
    try {
      const result = await work({
        renew: async () => (isWhole &&= !this.isLeaving && (await this.renew(name, runId))),
      });
      isDone = isWhole;
      return result;
    } finally {
      await this.system.query('end a nightly job', END({ name, runId, isDone }));
    }
  }

  private async renew(name: string, runId: string): Promise<boolean> {
    const { rowCount } = await this.system.query('go on with a nightly job', RENEW({ name, runId }));
    return rowCount === 1;
  }
}
