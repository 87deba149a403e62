import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';
import { KeyRing } from '../../platform/crypto/key-ring.js';
import { ApiKeys, hashOf } from './api-key.js';
import { ApiKeysRepository, type KeyUse } from './api-keys.repository.js';
import { VerifiedTokens } from './verified-tokens.js';

/**
 * How long the result of a lookup is cached. A revoked key stops working at once; this delay matters for a deleted
 * project.
 */
const KNOWN_MS = 30_000;
/** The same for a key that was refused: shorter, because its account may be enabled again. */
const UNKNOWN_MS = 5000;
const WRITE_USE_MS = 30_000;

/**
 * Finds the actor of an API key. A key in use is looked up every half minute, however many requests use it; a key that
 * this server cannot have made is never looked up. The times of last use are written every half minute and at shutdown,
 * for all keys in one statement. When a write fails, the next one includes its times.
 */
@Injectable()
export class ApiKeyAccess implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly log = new Logger(ApiKeyAccess.name);
  private readonly keys: ApiKeys;
  /** Lookups in progress: concurrent requests share one. */
  private readonly lookups = new Map<string, Promise<Actor | null>>();
  private uses = new Map<string, KeyUse>();
  private timer: NodeJS.Timeout;

  constructor(
    private readonly repository: ApiKeysRepository,
    private readonly verified: VerifiedTokens,
    private readonly clock: Clock,
    keyRing: KeyRing,
  ) {
    this.keys = new ApiKeys(keyRing.passwordPepper);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => void this.writeUses(), WRITE_USE_MS);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.timer);
    await this.writeUses();
  }

  /** The actor of a key; null when this server did not make the key, or when it has expired or was removed. */
  async find(key: string): Promise<Actor | null> {
    if (!this.keys.isSealed(key)) return null;
    let lookup = this.lookups.get(key);
    if (lookup === undefined) {
      lookup = this.lookUp(key).finally(() => this.lookups.delete(key));
      this.lookups.set(key, lookup);
    }
    return lookup;
  }

  noteUse({ userId, apiKeyId }: Actor): void {
    const id = apiKeyId as string;
    this.uses.set(id, { userId, id, atMs: this.clock.nowMs() });
  }

  async writeUses(): Promise<void> {
    if (this.uses.size === 0) return;
    const uses = this.uses;
    this.uses = new Map();
    try {
      await this.repository.markUsed([...uses.values()]);
    } catch (error) {
      this.log.warn({ err: error }, 'The times of last use of API keys could not be written');
      this.uses = new Map([...uses, ...this.uses]);
    }
  }

  private async lookUp(key: string): Promise<Actor | null> {
    const found = await this.repository.findByHash(hashOf(key));
    const nowMs = this.clock.nowMs();
    const endMs = found?.expiresAt?.getTime() ?? Infinity;
    const actor = found === null || endMs <= nowMs ? null : toActor(found.userId, found);
    const untilMs = actor === null ? nowMs + UNKNOWN_MS : Math.min(nowMs + KNOWN_MS, endMs);
    this.verified.remember(key, actor, untilMs);
    return actor;
  }
}

function toActor(
  userId: string,
  { id, scopes, projectId }: Pick<Actor, 'scopes' | 'projectId'> & { id: string },
): Actor {
  return { userId, signInId: null, apiKeyId: id, scopes, projectId };
}
