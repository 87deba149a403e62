import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { CacheCounts } from '../../platform/cache/cache-counts.js';

const CAPACITY = 10_000;

/**
 * Access tokens whose signature was checked already, until they expire, and API keys that were looked up some seconds ago: a
 * client sends the same one with every request. What can change meanwhile must be asked beside this (`Revocations`).
 */
@Injectable()
export class VerifiedTokens {
  private readonly actors = new Map<string, { actor: Actor | null; expiresAtMs: number }>();

  constructor(
    private readonly clock: Clock,
    private readonly counts: CacheCounts,
  ) {}

  /**
   * Null for what is known to be nobody's.
   * @param authorization the whole header
   */
  find(authorization: string): Actor | null | undefined {
    const known = this.actors.get(authorization);
    const isGood = known !== undefined && this.clock.nowMs() < known.expiresAtMs;
    this.counts.count('guard', isGood ? 'hit' : 'miss');
    if (isGood) return known.actor;
    this.actors.delete(authorization);
    return undefined;
  }

  remember(authorization: string, actor: Actor | null, expiresAtMs: number): void {
    // The oldest goes first: a map keeps the order of insertion.
    if (this.actors.size >= CAPACITY) this.actors.delete(this.actors.keys().next().value as string);
    this.actors.set(authorization, { actor, expiresAtMs });
  }
}
