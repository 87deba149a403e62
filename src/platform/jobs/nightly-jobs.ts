import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { SystemScope } from '../database/system-scope.js';

/** How long a run counts without a sign of life. Its longest step is a transaction of a few statements. */
const LEASE_SECONDS = 120;

// $1 job, $2 hour of the day in UTC, or null for now. A night that was missed, because nothing ran, is made up for.
const CLAIM = {
  name: 'nightly_claim',
  text: `
update nightly_jobs set run_id = gen_random_uuid(), lease_until = now() + interval '${LEASE_SECONDS} seconds'
where name = $1 and lease_until < now() and ($2::int is null or
  done_at < date_trunc('day', now() - $2::int * interval '1 hour', 'UTC') + $2::int * interval '1 hour')
returning run_id as "runId"`,
};

// $1 job, $2 run.
const RENEW = {
  name: 'nightly_renew',
  text: `
update nightly_jobs set lease_until = now() + interval '${LEASE_SECONDS} seconds'
where name = $1 and run_id = $2 and lease_until > now()`,
};

// $1 job, $2 run, $3 whether it is done; else another one may go on at once.
const END = {
  name: 'nightly_end',
  text: `
update nightly_jobs set run_id = null, lease_until = '-infinity', done_at = case when $3 then now() else done_at end
where name = $1 and run_id = $2`,
};

/** A run of a nightly job, while this instance has it. */
export interface NightlyRun {
  /** Says that the run is alive. Call it before each step: after a false there must be none, the run goes on elsewhere or later. */
  renew(): Promise<boolean>;
}

/**
 * What all instances together do once a night: whoever asks first has the run, and while there are signs of life nobody
 * else. The night is measured by the database's clock. A job is a row of `nightly_jobs`, made by a migration.
 */
@Injectable()
export class NightlyJobs implements OnModuleDestroy {
  private readonly running = new Set<Promise<unknown>>();
  private isLeaving = false;

  constructor(private readonly system: SystemScope) {}

  /**
   * Does the work when it is due and nobody else is at it; null when it is not.
   * @param hourUtc from which hour of the day on it is due; null: now, however often it was done today
   */
  async run<T>(name: string, hourUtc: number | null, work: (run: NightlyRun) => Promise<T>): Promise<T | null> {
    const { rows } = await this.system.query('take a nightly job', { ...CLAIM, values: [name, hourUtc] });
    const [claimed] = rows as { runId: string }[];
    if (claimed === undefined) return null;
    const running = this.work(name, claimed.runId, work);
    this.running.add(running);
    return running.finally(() => this.running.delete(running));
  }

  /** The step that is under way ends; the rest another instance does. */
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
      await this.system.query('end a nightly job', { ...END, values: [name, runId, isDone] });
    }
  }

  private async renew(name: string, runId: string): Promise<boolean> {
    const { rowCount } = await this.system.query('go on with a nightly job', { ...RENEW, values: [name, runId] });
    return rowCount === 1;
  }
}
