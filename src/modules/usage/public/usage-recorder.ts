import { Injectable } from '@nestjs/common';
import { Pipeline } from '../../../platform/database/pipeline.js';
import * as sql from '../usage-statements.js';
import type { UsageKind, UsagePlace, UsedCall } from './used-call.js';

export { insertEntries } from '../usage-statements.js';

/** What calls of model providers were, written where it can not be changed any more. A turn's own are written as it settles. */
@Injectable()
export class UsageRecorder {
  constructor(private readonly pipeline: Pipeline) {}

  /** Records the calls of a turn that was deleted while it ran; nothing when its message is still there. */
  async recordDeletedTurn(place: UsagePlace, calls: readonly UsedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.pipeline.run(place, [{ ...sql.RECORD_DELETED_TURN, values: entries(place, 'answer', calls) }]);
  }

  /** Records calls beside the answer of a turn: of each kind once an answer. */
  async record(place: UsagePlace, kind: UsageKind, calls: readonly UsedCall[]): Promise<void> {
    await this.pipeline.run(place, [{ ...sql.RECORD, values: entries(place, kind, calls) }]);
  }

  /** Adds to the call of a place what turned out later: `difference` to what was written. Once, whoever else tries. */
  async correct(place: UsagePlace, { kind, attempt }: CallKey, difference: UsedCall): Promise<void> {
    const values = entries(place, kind, [difference], attempt, 1);
    await this.pipeline.run(place, [{ ...sql.RECORD, values }]);
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
  return [userId, messageId, projectId, sessionId, kind, revision, toEntries(calls, first)];
}

/** The calls of an answer as `insertEntries` takes them. */
export function toEntries(calls: readonly UsedCall[], first = 1): string {
  return JSON.stringify(calls.map((call, i) => ({ ...call, attempt: first + i })));
}
