import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor, SetMetadata } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { UnitOfWork } from '../database/unit-of-work.js';
import { type IdempotencyKey, type KeptResponse, requireSameRequest } from './idempotency-key.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IdempotencyRepository } from './idempotency.repository.js';

const OWN_IDEMPOTENCY = 'ownIdempotency';

/** For routes that see to Idempotency-Key themselves: a turn keeps its key with its answer. */
export const OwnIdempotency = (): MethodDecorator => SetMetadata(OWN_IDEMPOTENCY, true);

const SHOWN_ONCE = 'shownOnce';

/** Names secrets in the answer of a route. They are not kept: a repeat of the request gets null in their place. */
export const ShownOnce = (...fields: string[]): MethodDecorator => SetMetadata(SHOWN_ONCE, fields);

/** Marks an answer that was given before. */
export function markReplayed(reply: FastifyReply): void {
  void reply.header('idempotent-replayed', 'true');
}

/**
 * Makes every write repeatable: the key, the write and its answer are one transaction, so either all of it has happened
 * or nothing, whenever an instance dies. A refused request leaves no key behind and may be sent again.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly unitOfWork: UnitOfWork,
    private readonly requests: IdempotencyKeys,
    private readonly keys: IdempotencyRepository,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest & { user?: Actor }>();
    if (request.method === 'GET') return next.handle();
    // Without a user there is nobody whose key it is: signing in twice makes two sign-ins.
    if (request.user === undefined || this.requests.given(request) === undefined) return next.handle();
    if (this.reflector.get<boolean | undefined>(OWN_IDEMPOTENCY, context.getHandler()) === true) return next.handle();
    const key = this.requests.of(request) as IdempotencyKey;
    const secrets = this.reflector.get<readonly string[] | undefined>(SHOWN_ONCE, context.getHandler()) ?? [];
    return from(this.answerOnce(request.user, key, context.switchToHttp().getResponse(), next, secrets));
  }

  private answerOnce(
    actor: Actor,
    key: IdempotencyKey,
    reply: FastifyReply,
    next: CallHandler,
    secrets: readonly string[],
  ): Promise<unknown> {
    const { userId } = actor;
    return this.unitOfWork.runShared(actor, async () => {
      if (!(await this.keys.lock(userId, key))) throw new AppError('idempotency_key_in_use', { retryAfterSeconds: 1 });
      const before = await this.keys.find(userId, key);
      if (before !== null) {
        requireSameRequest(before, key);
        return replay(reply, before.response as KeptResponse);
      }
      const body: unknown = await lastValueFrom(next.handle(), { defaultValue: undefined });
      const kept = secrets.length === 0 ? (body ?? null) : without(secrets, body as object);
      await this.keys.insert(userId, key, { etag: reply.getHeader('etag') as string | undefined, body: kept });
      return body;
    });
  }
}

function without(fields: readonly string[], body: object): object {
  return { ...body, ...Object.fromEntries(fields.map((field) => [field, null])) };
}

function replay(reply: FastifyReply, { etag, body }: KeptResponse): unknown {
  if (etag !== undefined) void reply.header('etag', etag);
  markReplayed(reply);
  return body ?? undefined;
}
