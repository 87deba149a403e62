import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable } from '@nestjs/common';
import type { PoolClient } from 'pg';
import { DataSource, type EntityTarget, type ObjectLiteral, type QueryRunner, type Repository } from 'typeorm';
import { fromPgError } from './pg-errors.js';
import { beginFor, commit, type Tenant } from './pg-pool.js';
import type { Rows, Statement } from './statement.js';

interface Work {
  tenant: Tenant;
  readonly runner: QueryRunner;
  readonly afterCommit: (() => void)[];
  /** Whether nested units of work become part of this one. */
  readonly isShared: boolean;
  isOver: boolean;
}

/**
 * The only way to TypeORM's repositories: a transaction that row-level security binds to one tenant.
 *
 * Inside `run`, every repository uses the transaction automatically. Outside, after its end, and nested, this class throws,
 * so a statement can never run outside its transaction. Never call the network inside a unit of work.
 */
@Injectable()
export class UnitOfWork {
  private readonly current = new AsyncLocalStorage<Work>();
  private runningCount = 0;

  constructor(private readonly dataSource: DataSource) {}

  /**
   * Runs `work` in a transaction as `actor` and commits. Any error rolls everything back and is thrown,
   * mapped to the catalogue where possible.
   */
  run<T>(actor: Tenant, work: () => Promise<T>): Promise<T> {
    const outer = this.running();
    if (outer === null) return this.transact(actor, work, false);
    if (outer.isShared) {
      const { userId, projectId = null } = outer.tenant;
      if (userId !== actor.userId || projectId !== (actor.projectId ?? null))
        throw new Error('a unit of work of another tenant cannot be part of this one');
      return work();
    }
    throw new Error('a unit of work cannot be nested');
  }

  /** Like `run`, but calls of `run` inside become part of it: for a caller that must commit a whole request at once. */
  runShared<T>(actor: Tenant, work: () => Promise<T>): Promise<T> {
    if (this.running() !== null) throw new Error('a unit of work cannot be nested');
    return this.transact(actor, work, true);
  }

  /** Runs `work` in the running unit of work, or in its own: for helpers that are called inside and outside. */
  join<T>(actor: Tenant, work: () => Promise<T>): Promise<T> {
    const outer = this.running();
    if (outer === null) return this.transact(actor, work, false);
    if (outer.tenant.userId !== actor.userId)
      throw new Error('a unit of work of another tenant cannot be part of this one');
    return work();
  }

  /**
   * Inside a running unit of work: runs a part of it for another tenant, so that both commit together. Only for an admin who
   * acts on an account, after the role was checked.
   */
  async switchTo<T>(tenant: Tenant, work: () => Promise<T>): Promise<T> {
    const unit = this.work();
    const own = unit.tenant;
    await setTenant(unit, tenant);
    let result: T;
    try {
      result = await work();
    } catch (error) {
      await setTenant(unit, own).catch(() => undefined);
      throw error;
    }
    await setTenant(unit, own);
    return result;
  }

  /** The repository of an entity, bound to the running transaction. */
  repository<E extends ObjectLiteral>(entity: EntityTarget<E>): Repository<E> {
    return this.work().runner.manager.getRepository(entity);
  }

  /** Runs a statement in the running transaction, for SQL that a repository cannot express. Returns its rows. */
  query<R extends object>(statement: Statement<R>): Promise<Rows<R>>;
  query<R extends object>(text: string, values: readonly unknown[]): Promise<R[]>;
  query(statement: Statement | string, values: readonly unknown[] = []): Promise<Rows> {
    const { runner } = this.work();
    if (typeof statement === 'string') return runner.query(statement, [...values]) as Promise<Rows>;
    return runner.query(statement.text, [...statement.values], true).then(({ records }) => records as Rows);
  }

  /** Calls `hook` once the running transaction has committed; never if it rolls back. */
  afterCommit(hook: () => void): void {
    this.work().afterCommit.push(hook);
  }

  private async transact<T>(actor: Tenant, work: () => Promise<T>, isShared: boolean): Promise<T> {
    const runner = this.dataSource.createQueryRunner();
    const unit: Work = { tenant: actor, runner, afterCommit: [], isShared, isOver: false };
    let client: PoolClient | undefined;
    this.runningCount += 1;
    try {
      client = (await runner.connect()) as PoolClient;
      const begun = beginFor(client, actor);
      // A failure also rejects the first statement, or this await if there was none.
      begun.catch(() => undefined);
      // We begin and commit in fewer round trips than TypeORM would; it must still know that row locks are allowed.
      markActive(runner, true);
      const result = await this.current.run(unit, work);
      await begun;
      await commit(client);
      unit.isOver = true;
      for (const hook of unit.afterCommit) hook();
      return result;
    } catch (error) {
      unit.isOver = true;
      await client?.query('rollback').catch(() => undefined);
      throw fromPgError(error);
    } finally {
      markActive(runner, false);
      this.rest();
      await runner.release();
    }
  }

  /** While an AsyncLocalStorage is in use, Node.js before 24 calls hooks for every promise of the process, even on the hot path. */
  private rest(): void {
    this.runningCount -= 1;
    if (this.runningCount === 0) this.current.disable();
  }

  private work(): Work {
    const unit = this.running();
    if (unit === null) throw new Error('no unit of work is running');
    return unit;
  }

  /** A unit of work that has ended does not count, although the storage may still return it. */
  private running(): Work | null {
    const unit = this.current.getStore();
    return unit === undefined || unit.isOver ? null : unit;
  }
}

function markActive(runner: QueryRunner, isTransactionActive: boolean): void {
  Object.assign(runner, { isTransactionActive });
}

async function setTenant(unit: Work, tenant: Tenant): Promise<void> {
  const { userId, projectId = null } = tenant;
  await unit.runner.query(`select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true)`, [
    userId,
    projectId ?? '',
  ]);
  unit.tenant = tenant;
}
