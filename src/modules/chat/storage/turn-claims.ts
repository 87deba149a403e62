import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { newId } from '../../../kernel/ids.js';
import { AppConfig } from '../../../platform/config/app-config.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import { SystemScope } from '../../../platform/database/system-scope.js';
import * as sql from './claim-statements.js';
import type { ClaimedTurn, Lease, StrandedSession } from './turn-rows.js';

/** New text of a running answer, and where it belongs. */
export interface SavedText {
  readonly userId: string;
  readonly messageId: string;
  readonly claimId: string;
  readonly attempt: number;
  readonly startOffset: number;
  readonly text: string;
  /** The text in the form in which it is stored; null when that is plain. */
  readonly sealed: Buffer | null;
}

/** Who may run a turn: leases, takeover, the queue of a session, and the text that is safe meanwhile. */
@Injectable()
export class TurnClaims {
  /** This instance, as the owner of claims. A restarted process is another owner. */
  readonly owner = newId();

  constructor(
    private readonly pipeline: Pipeline,
    private readonly system: SystemScope,
    private readonly config: AppConfig,
  ) {}

  /**
   * Asks whoever runs the turn to stop it. `waiting`: nobody runs it yet; null: it is over.
   */
  async requestStop({ userId }: Pick<Actor, 'userId'>, answerId: string): Promise<'running' | 'waiting' | null> {
    const [[asked]] = await this.pipeline.run({ userId }, [sql.REQUEST_STOP({ userId, answerId })]);
    return asked === undefined ? null : asked.isRunning ? 'running' : 'waiting';
  }

  /** The first turn that waits in a session, now ours to run; null when none waits or another still runs. */
  async claimNext({ userId }: Pick<Actor, 'userId'>, sessionId: string): Promise<ClaimedTurn | null> {
    const claim = { claimId: newId(), owner: this.owner, leaseMs: this.config.turnLeaseMs };
    try {
      const [[claimed = null]] = await this.pipeline.run({ userId }, [sql.CLAIM_NEXT({ userId, sessionId, ...claim })]);
      return claimed;
    } catch (error) {
      if (error instanceof AppError && error.code === 'turn_in_progress') return null;
      throw error;
    }
  }

  /** A waiting turn, taken out of the queue to be settled unrun; null when it runs or is over. */
  async claimWaiting({ userId }: Pick<Actor, 'userId'>, answerId: string): Promise<ClaimedTurn | null> {
    const statement = sql.CLAIM_WAITING({ userId, answerId, claimId: newId() });
    const [[claimed = null]] = await this.pipeline.run({ userId }, [statement]);
    return claimed;
  }

  /** Says that this instance lives and runs these claims. Returns those of them that it still holds. */
  async renew(claimIds: readonly string[]): Promise<Lease[]> {
    const statement = sql.RENEW_LEASES({ owner: this.owner, leaseMs: this.config.turnLeaseMs, claimIds });
    return (await this.system.query('renew the leases of this instance', statement)).rows;
  }

  /** Lets other instances take over at once, without waiting for a lease to run out. */
  async release(): Promise<void> {
    await this.system.query('hand back the turns of this instance', sql.RELEASE_LEASES({ owner: this.owner }));
  }

  /** Takes over turns whose instance has gone silent, each by exactly one instance. */
  async claimExpired(limit: number): Promise<ClaimedTurn[]> {
    const statement = sql.CLAIM_EXPIRED({ owner: this.owner, leaseMs: this.config.turnLeaseMs, limit });
    return (await this.system.query('take over turns of dead instances', statement)).rows;
  }

  /** Sessions where turns wait and none runs. */
  async findStranded(limit: number): Promise<StrandedSession[]> {
    return (await this.system.query('find turns that wait for nobody', sql.FIND_STRANDED({ limit }))).rows;
  }

  /** Makes text safe. Returns the messages whose claim still held. */
  async save(texts: readonly SavedText[]): Promise<ReadonlySet<string>> {
    const statement = sql.FLUSH({
      owner: this.owner,
      userIds: texts.map(({ userId }) => userId),
      answerIds: texts.map(({ messageId }) => messageId),
      claimIds: texts.map(({ claimId }) => claimId),
      attempts: texts.map(({ attempt }) => attempt),
      offsets: texts.map(({ startOffset }) => startOffset),
      texts: texts.map(({ text, sealed }) => (sealed === null ? text : '')),
      sealed: texts.map(({ sealed }) => sealed),
    });
    const { rows } = await this.system.query('save the text of running answers', statement);
    return new Set(rows[0]?.written ?? []);
  }

  /** Tells the followers on other instances that an answer has settled. */
  async notifyEnd(answerId: string): Promise<void> {
    await this.system.query('tell that a turn is over', sql.NOTIFY_END({ answerId }));
  }
}
