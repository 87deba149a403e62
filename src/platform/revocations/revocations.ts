import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { CryptoConfig } from '../crypto/crypto.config.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { RevocationsRepository } from './revocations.repository.js';

/** How far the clocks of two instances may be apart: a token expires by the clock of the instance that looks at it. */
const CLOCK_SKEW_SECONDS = 60;

/**
 * Whose access has ended before the access tokens that say otherwise expire. Every instance knows all of them by heart
 * (`RevocationsJob` keeps it so), so asking costs a look into a map and no query.
 *
 * A mark is kept as long as an access token can live and then forgotten: that nobody gets a new token (a refresh, a login,
 * a row of an API key) is for the caller to see to, in the same unit of work.
 */
@Injectable()
export class Revocations {
  /** Subject → when the mark may be forgotten, in ms since 1970. */
  private readonly marks = new Map<string, number>();
  private since = '0';

  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly rows: RevocationsRepository,
    private readonly clock: Clock,
    private readonly config: CryptoConfig,
  ) {}

  /**
   * In a unit of work of `owner`: refuses the tokens of these users, sign-ins or API keys of theirs from its commit on,
   * here at once and on every other instance within seconds. A user's mark refuses all tokens and keys of the user.
   */
  async revoke(owner: Pick<Actor, 'userId'>, subjectIds: readonly string[]): Promise<void> {
    await this.put(owner.userId, subjectIds, true);
  }

  /** Takes marks back, under the same conditions: for a user who is let in again. Sign-ins that have ended stay so. */
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

  /** Learns what all instances have revoked since the last look. Not twice at the same time. */
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
