import { Injectable } from '@nestjs/common';
import { Pipeline } from '../../../platform/database/pipeline.js';
import * as sql from '../usage-statements.js';
import type { LedgerRef, UsageKind, UsedCall } from './used-call.js';

export { insertEntries } from '../usage-statements.js';

/**
 * Records provider calls in the ledger, whose entries cannot be changed. The calls of a turn's answer are recorded when
 * it settles.
 */
@Injectable()
export class UsageRecorder {
  constructor(private readonly pipeline: Pipeline) {}

  /** Records the calls of a turn that was deleted while it ran. Does nothing if its message still exists. */
  async recordDeletedTurn(ref: LedgerRef, calls: readonly UsedCall[]): Promise<void> {
    if (calls.length === 0) return;
    await this.pipeline.run(ref, [sql.RECORD_DELETED_TURN(entries(ref, 'answer', calls))]);
  }

  /** Records calls for a title or summary; each kind only once per `messageId`. */
  async record(ref: LedgerRef, kind: UsageKind, calls: readonly UsedCall[]): Promise<void> {
    await this.pipeline.run(ref, [sql.RECORD(entries(ref, kind, calls))]);
  }

  /** Adds a correction to a recorded call: the `difference` to the recorded usage. Only the first correction counts. */
  async correct(ref: LedgerRef, { kind, attempt }: CallKey, difference: UsedCall): Promise<void> {
    await this.pipeline.run(ref, [sql.RECORD(entries(ref, kind, [difference], attempt, 1))]);
  }
}

/** Identifies a call of an answer. */
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

/** Numbers the calls of an answer for `insertEntries`. */
export function toEntries(calls: readonly UsedCall[], first = 1): readonly (UsedCall & { attempt: number })[] {
  return calls.map((call, i) => ({ ...call, attempt: first + i }));
}
