import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { CryptoConfig } from '../crypto/crypto.config.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { RevocationsRepository } from './revocations.repository.js';

/** The maximum difference between the clocks of two instances: a token expires by the clock of the instance that checks it. */
const CLOCK_SKEW_SECONDS = 60;

/**
 * The users, sign-ins and API keys that were revoked before their access tokens expire. Every instance has all of them in
 * memory (`RevocationsJob` keeps them current), so a check needs no query.
 *
 * A mark is kept for the lifetime of an access token. The caller must also prevent new tokens (a refresh, a login, a row of an
 * API key), in the same unit of work.
 */
@Injectable()
export class Revocations {
  /** Subject → when the mark may be removed, in ms since 1970. */
  private readonly marks = new Map<string, number>();
  private since = '0';

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly rows: RevocationsRepository,
    private readonly clock: Clock,
    private readonly config: CryptoConfig,
  ) {}

  /**
   * In a unit of work of `owner`: revokes users, sign-ins or API keys of that user. When it commits, their tokens are refused
   * here at once and on every other instance within seconds. A mark on a user revokes all tokens and keys of the user.
   */
  async revoke(owner: Pick<Actor, 'userId'>, subjectIds: readonly string[]): Promise<void> {
    await this.put(owner.userId, subjectIds, true);
  }

  /** Removes marks, under the same conditions: for a user who is enabled again. Sign-ins that have ended stay revoked. */
  async restore(owner: Pick<Actor, 'userId'>, subjectIds: readonly string[]): Promise<void> {
    await this.put(owner.userId, subjectIds, false);
  }

  /** Whether the user, the sign-in or the API key of this actor was revoked. */
  isRevoked({ userId, signInId, apiKeyId }: Actor): boolean {
    const { marks } = this;
    return (
      marks.size > 0 &&
      (marks.has(userId) || (signInId !== null && marks.has(signInId)) || (apiKeyId !== null && marks.has(apiKeyId)))
    );
  }

  /** Loads what all instances have revoked since the last call. Must not run concurrently. */
  async refresh(): Promise<void> {
    const { rows, since } = await this.rows.readSince(this.since);
    for (const { subjectId, isRevoked, remainingMs } of rows) this.mark(subjectId, isRevoked, remainingMs);
    this.since = since;
    const nowMs = this.clock.nowMs();
    for (const [subjectId, untilMs] of this.marks) if (untilMs <= nowMs) this.marks.delete(subjectId);
  }

  private async put(userId: string, subjectIds: readonly string[], isRevoked: boolean): Promise<void> {
    if (subjectIds.length === 0) return;
    const keepSeconds = this.config.jwtAccessTtlSeconds + CLOCK_SKEW_SECONDS;
    await this.rows.put(userId, subjectIds, isRevoked, keepSeconds);
    this.unitOfWork.afterCommit(() => {
      for (const subjectId of subjectIds) this.mark(subjectId, isRevoked, keepSeconds * 1000);
    });
  }

  private mark(subjectId: string, isRevoked: boolean, remainingMs: number): void {
    if (isRevoked) this.marks.set(subjectId, this.clock.nowMs() + remainingMs);
    else this.marks.delete(subjectId);
  }
}
