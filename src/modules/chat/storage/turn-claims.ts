import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { newId } from '../../../kernel/ids.js';
import { ChatConfig } from '../public/chat.config.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import { SystemScope } from '../../../platform/database/system-scope.js';
import * as sql from './claim-statements.js';
import type { ClaimedTurn, Lease, StrandedSession } from './turn-rows.js';

/** New text of a running answer, with its position. */
export interface SavedText {
  readonly userId: string;
  readonly messageId: string;
  readonly claimId: string;
  readonly attempt: number;
  readonly startOffset: number;
  readonly text: string;
  /** The encrypted text; null when it is stored plain. */
  readonly sealed: Buffer | null;
}

/** Claims on turns: leases, takeovers, the queue of a session, and the saved text of running answers. */
@Injectable()
export class TurnClaims {
  /** Identifies this instance as the owner of claims. A restarted process is another owner. */
  readonly owner = newId();

  constructor(
    private readonly pipeline: Pipeline,
    private readonly system: SystemScope,
    private readonly config: ChatConfig,
  ) {}

  /** Asks the instance that runs the turn to stop it. `waiting`: no instance runs it yet; null: it has ended. */
  async requestStop({ userId }: Pick<Actor, 'userId'>, answerId: string): Promise<'running' | 'waiting' | null> {
    const [[asked]] = await this.pipeline.run({ userId }, [sql.REQUEST_STOP({ userId, answerId })]);
    return asked === undefined ? null : asked.isRunning ? 'running' : 'waiting';
  }

  /** Claims the first turn that waits in a session; null when none waits or another one still runs. */
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

  /** Claims a waiting turn in order to settle it without running it; null when it runs or has ended. */
  async claimWaiting({ userId }: Pick<Actor, 'userId'>, answerId: string): Promise<ClaimedTurn | null> {
    const statement = sql.CLAIM_WAITING({ userId, answerId, claimId: newId() });
    const [[claimed = null]] = await this.pipeline.run({ userId }, [statement]);
    return claimed;
  }

  /** Renews the leases of these claims. Returns the leases that this instance still holds. */
  async renew(claimIds: readonly string[]): Promise<Lease[]> {
    const statement = sql.RENEW_LEASES({ owner: this.owner, leaseMs: this.config.turnLeaseMs, claimIds });
    return (await this.system.query('renew the leases of this instance', statement)).rows;
  }

  /** Releases all claims, so other instances can take over before the leases expire. */
  async release(): Promise<void> {
    await this.system.query('hand back the turns of this instance', sql.RELEASE_LEASES({ owner: this.owner }));
  }

  /** Takes over turns with an expired lease. Exactly one instance gets each turn. */
  async claimExpired(limit: number): Promise<ClaimedTurn[]> {
    const statement = sql.CLAIM_EXPIRED({ owner: this.owner, leaseMs: this.config.turnLeaseMs, limit });
    return (await this.system.query('take over turns of dead instances', statement)).rows;
  }

  /** Sessions where turns wait and none runs. */
  async findStranded(limit: number): Promise<StrandedSession[]> {
    return (await this.system.query('find turns that wait for nobody', sql.FIND_STRANDED({ limit }))).rows;
  }

  /** Saves text. Returns the ids of the messages whose claim was still valid. */
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

  /** Notifies followers on other instances that an answer has settled. */
  async notifyEnd(answerId: string): Promise<void> {
    await this.system.query('tell that a turn is over', sql.NOTIFY_END({ answerId }));
  }
}
