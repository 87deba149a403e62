import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { type IdempotencyKey, type KeptResponse, checkSameRequest } from './idempotency-key.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IdempotencyRepository } from './idempotency.repository.js';

/** A write that first needs an answer from the network, which must not happen inside a transaction. */
export interface PreparedWrite<T> {
  readonly before: () => Promise<void>;
  readonly write: () => Promise<T>;
}

/** Marks a response as a repeat of an earlier one. */
export function markReplayed(reply: FastifyReply): void {
  void reply.header('idempotent-replayed', 'true');
}

/** Does a write once per Idempotency-Key: the key, the write and the response are stored in one transaction. */
@Injectable()
export class IdempotentWrites {
  constructor(
    private readonly unitOfWork: UnitOfWork,
    private readonly idempotencyKeys: IdempotencyKeys,
    private readonly kept: IdempotencyRepository,
  ) {}

  /**
   * Runs `work` and stores its result under the key. Returns null if it ran; if it had run before, the stored response.
   * Throws `idempotency_key_in_use` and `idempotency_key_reused`.
   */
  once(actor: Actor, key: IdempotencyKey, work: () => Promise<KeptResponse>): Promise<KeptResponse | null> {
    const { userId } = actor;
    return this.unitOfWork.runShared(actor, async () => {
      if (!(await this.kept.lock(userId, key))) throw new AppError('idempotency_key_in_use', { retryAfterSeconds: 1 });
      const before = await this.kept.find(userId, key);
      if (before !== null) {
        checkSameRequest(before, key);
        return before.response;
      }
      await this.kept.insert(userId, key, await work());
      return null;
    });
  }

  /** For a route with `@OwnIdempotency()`: preparation runs outside the transaction of the write, and not for a repeat. */
  async answer<T>(
    { actor, request, reply }: { actor: Actor; request: FastifyRequest; reply: FastifyReply },
    { before, write }: PreparedWrite<T>,
  ): Promise<T> {
    const key = this.idempotencyKeys.of(request);
    const kept = key === null ? null : await this.kept.findKept(actor.userId, key);
    if (kept === null) await before();
    if (key === null) return write();
    let body: T | undefined;
    const repeated = await this.once(actor, key, async () => ({ body: (body = await write()) }));
    if (repeated === null) return body as T;
    markReplayed(reply);
    return repeated.body as T;
  }
}
