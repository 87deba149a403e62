import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { CacheCounts } from '../../platform/cache/cache-counts.js';

const MAX_BYTES = 10 * 1024 * 1024;
/** Approximate size of an entry without the text of its token. */
const ENTRY_BYTES = 500;

interface Verified {
  readonly actor: Actor | null;
  readonly expiresAtMs: number;
}

/**
 * Caches verified access tokens until they expire, and API keys for some seconds after a lookup, because a client sends
 * the same one with every request. The caller must still check `Revocations`.
 */
@Injectable()
export class VerifiedTokens {
  private readonly verified = new LRUCache<string, Verified>({
    maxSize: MAX_BYTES,
    sizeCalculation: (_verified, token) => token.length + ENTRY_BYTES,
  });

  constructor(
    private readonly clock: Clock,
    private readonly counts: CacheCounts,
  ) {}

  /** Null for an API key that is known to have no user; undefined for a token that is not in the cache. */
  find(token: string): Actor | null | undefined {
    const known = this.verified.get(token);
    const isGood = known !== undefined && this.clock.nowMs() < known.expiresAtMs;
    this.counts.count('guard', isGood ? 'hit' : 'miss');
    if (isGood) return known.actor;
    this.verified.delete(token);
    return undefined;
  }

  /** @param token the access token or API key itself, so different spellings of a header share one entry */
  remember(token: string, actor: Actor | null, expiresAtMs: number): void {
    // Copy the token: a slice of a header would keep the whole header in memory.
    this.verified.set(Buffer.from(token).toString(), { actor, expiresAtMs });
  }
}
