import { Injectable } from '@nestjs/common';
import type { Actor } from '../../../kernel/actor.js';
import { AppError } from '../../../kernel/errors/app-error.js';
import { newId } from '../../../kernel/ids.js';
import { ChatConfig } from '../public/chat.config.js';
import { Pipeline } from '../../../platform/database/pipeline.js';
import { SystemScope } from '../../../platform/database/system-scope.js';
import * as sql from './claim-statements.js';
import type { TurnRequest } from './open-turn.js';

/** A turn whose claim has come to this instance, not yet run here. */
export interface ClaimedTurn {
  readonly userId: string;
  readonly messageId: string;
  readonly claimId: string;
  readonly attempt: number;
  /** How many instances have died with it. */
  readonly crashes: number;
  readonly request: TurnRequest;
  readonly isStopRequested: boolean;
}

export interface Lease {
  readonly messageId: string;
  readonly claimId: string;
  readonly isStopRequested: boolean;
}

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
    private readonly config: ChatConfig,
  ) {}

  /**
   * Asks whoever runs the turn to stop it. `waiting`: nobody runs it yet; null: it is over.
   */
  async requestStop(actor: Pick<Actor, 'userId'>, messageId: string): Promise<'running' | 'waiting' | null> {
    const [asked] = await this.pipeline.run(actor, [{ ...sql.REQUEST_STOP, values: [actor.userId, messageId] }]);
    const row = asked?.rows[0] as { isRunning: boolean } | undefined;
    return row === undefined ? null : row.isRunning ? 'running' : 'waiting';
  }

  /** The first turn that waits in a session, now ours to run; null when none waits or another still runs. */
  async claimNext({ userId }: Pick<Actor, 'userId'>, sessionId: string): Promise<ClaimedTurn | null> {
    const values = [userId, sessionId, newId(), this.owner, this.config.turnLeaseMs];
    try {
      const [claimed] = await this.pipeline.run({ userId }, [{ ...sql.CLAIM_NEXT, values }]);
      return (claimed?.rows[0] as ClaimedTurn | undefined) ?? null;
    } catch (error) {
      if (error instanceof AppError && error.code === 'turn_in_progress') return null;
      throw error;
    }
  }

  /** A waiting turn, taken out of the queue to be settled unrun; null when it runs or is over. */
  async claimWaiting({ userId }: Pick<Actor, 'userId'>, messageId: string): Promise<ClaimedTurn | null> {
    const [claimed] = await this.pipeline.run({ userId }, [
      { ...sql.CLAIM_WAITING, values: [userId, messageId, newId()] },
    ]);
    return (claimed?.rows[0] as ClaimedTurn | undefined) ?? null;
  }

  /** Says that this instance lives and runs these claims; the answer is those of them that it still holds. */
  async renew(claimIds: readonly string[]): Promise<Lease[]> {
    const values = [this.owner, this.config.turnLeaseMs, claimIds];
    return (await this.system.query('renew the leases of this instance', { ...sql.RENEW_LEASES, values }))
      .rows as Lease[];
  }

  /** Lets other instances take over at once, without waiting for a lease to run out. */
  async release(): Promise<void> {
    await this.system.query('hand back the turns of this instance', { ...sql.RELEASE_LEASES, values: [this.owner] });
  }

  /** Takes over turns whose instance has gone silent, each by exactly one instance. */
  async claimExpired(limit: number): Promise<ClaimedTurn[]> {
    const values = [this.owner, this.config.turnLeaseMs, limit];
    return (await this.system.query('take over turns of dead instances', { ...sql.CLAIM_EXPIRED, values }))
      .rows as ClaimedTurn[];
  }

  /** Sessions where turns wait and none runs. */
  async findStranded(limit: number): Promise<{ userId: string; sessionId: string }[]> {
    const found = await this.system.query('find turns that wait for nobody', { ...sql.FIND_STRANDED, values: [limit] });
    return found.rows as { userId: string; sessionId: string }[];
  }

  /** Makes text safe; the answer is the messages whose claim still held. */
  async save(texts: readonly SavedText[]): Promise<ReadonlySet<string>> {
    const column = <K extends keyof SavedText>(key: K): SavedText[K][] => texts.map((text) => text[key]);
    const values = [
      this.owner,
      column('userId'),
      column('messageId'),
      column('claimId'),
      column('attempt'),
      column('startOffset'),
      texts.map(({ text, sealed }) => (sealed === null ? text : '')),
      column('sealed'),
    ];
    const { rows } = await this.system.query('save the text of running answers', { ...sql.FLUSH, values });
    return new Set((rows as { written: string[] | null }[])[0]?.written ?? []);
  }

  /** Tells the followers on other instances that an answer has settled. */
  async notifyEnd(messageId: string): Promise<void> {
    await this.system.query('tell that a turn is over', { ...sql.NOTIFY_END, values: [messageId] });
  }
}
