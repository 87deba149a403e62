import { Injectable } from '@nestjs/common';
import type { Actor } from '../../kernel/actor.js';
import { Clock } from '../../kernel/clock.js';

const CAPACITY = 10_000;

/**
 * Access tokens whose signature was checked already, until they expire: a client sends the same one with every request.
 * Only what a token says by itself is remembered; whatever can change during its life must be asked beside this.
 */
@Injectable()
export class VerifiedTokens {
  private readonly actors = new Map<string, { actor: Actor; expiresAtMs: number }>();

  constructor(private readonly clock: Clock) {}

  /** @param authorization the whole header */
  find(authorization: string): Actor | undefined {
    const known = this.actors.get(authorization);
    if (known === undefined) return undefined;
    if (this.clock.nowMs() < known.expiresAtMs) return known.actor;
    this.actors.delete(authorization);
    return undefined;
  }

  remember(authorization: string, actor: Actor, expiresAtMs: number): void {
    // The oldest goes first: a map keeps the order of insertion.
    if (this.actors.size >= CAPACITY) this.actors.delete(this.actors.keys().next().value as string);
    this.actors.set(authorization, { actor, expiresAtMs });
  }
}
