import { Injectable } from '@nestjs/common';
import { Pipeline } from '../../../platform/database/pipeline.js';
import * as sql from '../usage-statements.js';
import type { LedgerRef, UsageKind, UsedCall } from './used-call.js';

export { insertEntries } from '../usage-statements.js';

/** What calls of model providers were, written where it cannot be changed any more. A turn's own are written as it settles. */
@Injectable()
export class UsageRecorder {
  constructor(private readonly pipeline: Pipeline) {}

  /** Records the calls of a turn that was deleted while it ran; nothing when its message is still there. */
  async recordDeletedTurn(ref: LedgerRef, calls: readonly UsedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.pipeline.run(ref, [sql.RECORD_DELETED_TURN(entries(ref, 'answer', calls))]);
  }

  /** Records calls beside the answer of a turn: of each kind once an answer. */
  async record(ref: LedgerRef, kind: UsageKind, calls: readonly UsedCall[]): Promise<void> {
    await this.pipeline.run(ref, [sql.RECORD(entries(ref, kind, calls))]);
  }

  /** Adds to a recorded call what turned out later: `difference` to what was written. Once, whoever else tries. */
  async correct(ref: LedgerRef, { kind, attempt }: CallKey, difference: UsedCall): Promise<void> {
    await this.pipeline.run(ref, [sql.RECORD(entries(ref, kind, [difference], attempt, 1))]);
  }
}

/** Which call of an answer. */
export interface CallKey {
  readonly kind: UsageKind;
  readonly attempt: number;
}

function entries(
  { userId, messageId, projectId, sessionId }: LedgerRef,
  kind: UsageKind,
  calls: readonly UsedCall[],
  first = 1,
  revision = 0,
) {
  return { userId, answerId: messageId, projectId, sessionId, kind, revision, calls: toEntries(calls, first) };
}

/** The calls of an answer as `insertEntries` takes them. */
export function toEntries(calls: readonly UsedCall[], first = 1): readonly (UsedCall & { attempt: number })[] {
  return calls.map((call, i) => ({ ...call, attempt: first + i }));
}
