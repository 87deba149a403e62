import { Injectable } from '@nestjs/common';
import { Clock } from '../../../kernel/clock.js';
import { AuditLog } from '../../../platform/audit/audit-log.js';
import { AuditRepository } from '../../../platform/audit/audit.repository.js';
import type { SystemScope } from '../../../platform/database/system-scope.js';
import { UnitOfWork } from '../../../platform/database/unit-of-work.js';
import { NightlyJobs, type NightlyRun } from '../../../platform/jobs/nightly-jobs.js';
import { type DueProject, type RetentionCounts, RetentionRepository } from '../retention.repository.js';

const JOB = 'retention';
const PROJECTS_AT_ONCE = 200;
/** The most that one transaction deletes. A session is never split, so a longer one gets its own transaction. */
const SESSIONS_AT_ONCE = 100;
const MESSAGES_AT_ONCE = 5000;
const BEFORE_ALL: DueProject = {
  userId: '00000000-0000-0000-0000-000000000000',
  projectId: '00000000-0000-0000-0000-000000000000',
};
const NOTHING: RetentionCounts = { sessions: 0, messages: 0, idempotencyKeys: 0 };

export interface RetentionResult extends RetentionCounts {
  /** The number of projects with deleted sessions. */
  readonly projects: number;
  /** The number of projects that failed, with each reason once in `reasons`. The next run tries them again. */
  readonly failed: number;
  readonly reasons: readonly string[];
}

/**
 * Deletes expired sessions of all users in batches, each transaction as its tenant. An interrupted run can be
 * continued: deleted sessions are not found again, and their counts are stored.
 */
@Injectable()
export class Retention {
  constructor(
    private readonly jobs: NightlyJobs,
    private readonly rows: RetentionRepository,
    private readonly unitOfWork: UnitOfWork,
    private readonly audit: AuditLog,
  ) {}

  /**
   * Null when the run is not due, or when another instance is running it.
   * @param hourUtc the hour of the day from which on the run is due; null: now
   */
  run(hourUtc: number | null): Promise<RetentionResult | null> {
    return this.jobs.run(JOB, hourUtc, (run) => this.applyAll(run));
  }

  private async applyAll(run: NightlyRun): Promise<RetentionResult> {
    let [total, projects, failed] = [NOTHING, 0, 0];
    const reasons = new Set<string>();
    let due = [BEFORE_ALL];
    do {
      due = await this.rows.listDue(due.at(-1) ?? BEFORE_ALL, PROJECTS_AT_ONCE);
      for (const project of due) {
        try {
          const gone = await this.apply(project, run);
          total = sum(total, gone);
          if (gone.sessions > 0) projects++;
        } catch (error) {
          failed++;
          reasons.add(error instanceof Error ? error.message : String(error));
        }
      }
    } while (due.length === PROJECTS_AT_ONCE && (await run.renew()));
    return { ...total, projects, failed, reasons: [...reasons] };
  }

  /** Processes one project until it is done or the run ends. Returns the counts of this run. */
  private async apply(project: DueProject, run: NightlyRun): Promise<RetentionCounts> {
    let total = NOTHING;
    let isOver = false;
    while (!isOver && (await run.renew())) {
      const step = await this.unitOfWork.run({ userId: project.userId }, () => this.step(project));
      total = sum(total, step.gone);
      isOver = step.isLast;
    }
    return total;
  }

  private async step(project: DueProject): Promise<{ gone: RetentionCounts; isLast: boolean }> {
    const days = await this.rows.lockProject(project);
    const found = days === null ? [] : await this.rows.lockSessions(project, days, SESSIONS_AT_ONCE);
    let size = 0;
    const taken = found.filter((session, i) => (size += session.size) <= MESSAGES_AT_ONCE || i === 0);
    const gone =
      taken.length === 0
        ? NOTHING
        : await this.rows.remove(
            project.userId,
            taken.map(({ id }) => id),
          );
    const isLast = taken.length === found.length && found.length < SESSIONS_AT_ONCE;
    if (isLast) await this.tell(project, gone);
    else await this.rows.addToRun(project, gone);
    return { gone, isLast };
  }

  /** Records one audit event per project and night, however many transactions it took. */
  private async tell(project: DueProject, last: RetentionCounts): Promise<void> {
    const { sessions, messages, idempotencyKeys } = sum((await this.rows.removeRun(project)) ?? NOTHING, last);
    if (sessions === 0) return;
    await this.audit.record({ userId: project.userId, is: 'system' }, 'project.retention_applied', {
      subjectId: project.projectId,
      sessions,
      messages,
      idempotency_keys: idempotencyKeys,
    });
  }
}

function sum(a: RetentionCounts, b: RetentionCounts): RetentionCounts {
  return {
    sessions: a.sessions + b.sessions,
    messages: a.messages + b.messages,
    idempotencyKeys: a.idempotencyKeys + b.idempotencyKeys,
  };
}

/** Runs at once, from the command line. Throws when another run is in progress. */
export async function applyRetention({
  unitOfWork,
  system,
}: {
  readonly unitOfWork: UnitOfWork;
  readonly system: SystemScope;
}): Promise<RetentionResult> {
  const audit = new AuditLog(unitOfWork, new AuditRepository(unitOfWork, system), new Clock());
  const rows = new RetentionRepository(unitOfWork, system);
  const result = await new Retention(new NightlyJobs(system), rows, unitOfWork, audit).run(null);
  if (result === null) throw new Error('a run is under way already');
  return result;
}
