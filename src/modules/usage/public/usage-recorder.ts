import { Injectable } from '@nestjs/common';
import { Pipeline, type Statement } from '../../../platform/database/pipeline.js';
import * as sql from '../usage-statements.js';
import type { UsageKind, UsagePlace, UsedCall } from './used-call.js';

/** What calls of model providers were, written where it can not be changed any more, and taken from the budgets. */
@Injectable()
export class UsageRecorder {
  constructor(private readonly pipeline: Pipeline) {}

  /**
   * The statements that record the calls of a turn, for the transaction that settles it, in front of what deletes its
   * claim. They write nothing when the claim is not `claimId` any more.
   */
  ofTurn(place: UsagePlace, claimId: string, calls: readonly UsedCall[]): Statement[] {
    if (calls.length === 0) return [];
    return [{ ...sql.RECORD_TURN, values: [...entries(place, 'answer', calls), claimId] }, spend(place)];
  }

  /** Records the calls of a turn that was deleted while it ran; nothing when its message is still there. */
  async recordDeletedTurn(place: UsagePlace, calls: readonly UsedCall[]): Promise<void> {
    if (calls.length === 0) return;
    const record = { ...sql.RECORD_DELETED_TURN, values: entries(place, 'answer', calls) };
    await this.pipeline.run(place, [record, spend(place)]);
  }

  /** Records calls beside the answer of a turn: of each kind once an answer. */
  async record(place: UsagePlace, kind: UsageKind, calls: readonly UsedCall[]): Promise<void> {
    await this.pipeline.run(place, [{ ...sql.RECORD, values: entries(place, kind, calls) }, spend(place)]);
  }

  /** Adds to the call of a place what turned out later: `difference` to what was written. Once, whoever else tries. */
  async correct(place: UsagePlace, { kind, attempt }: CallKey, difference: UsedCall): Promise<void> {
    const values = entries(place, kind, [difference], attempt, 1);
    await this.pipeline.run(place, [{ ...sql.RECORD, values }, spend(place)]);
  }
}

/** Which call of an answer. */
export interface CallKey {
  readonly kind: UsageKind;
  readonly attempt: number;
}

function entries(
  { userId, messageId, projectId, sessionId }: UsagePlace,
  kind: UsageKind,
  calls: readonly UsedCall[],
  first = 1,
  revision = 0,
): unknown[] {
  const numbered = calls.map((call, i) => ({ ...call, attempt: first + i }));
  return [userId, messageId, projectId, sessionId, kind, revision, JSON.stringify(numbered)];
}

function spend({ userId, messageId, projectId }: UsagePlace): Statement {
  return { ...sql.SPEND, values: [userId, messageId, projectId] };
}
