import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  SetMetadata,
  UseInterceptors,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { Actor } from '../../kernel/actor.js';
import type { IdempotencyKey, KeptResponse } from './idempotency-key.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IdempotentWrites, markReplayed } from './idempotent-writes.js';

/** Which of the three decorators below a route has. Every route that writes has one, and no other route does. */
export const IDEMPOTENCY = 'idempotency';
type Idempotency = 'kept' | 'own' | 'none';

const intercepted = (idempotency: Idempotency): MethodDecorator =>
  applyDecorators(SetMetadata(IDEMPOTENCY, idempotency), UseInterceptors(IdempotencyInterceptor));

/**
 * Makes the write of a route idempotent: the first response to an Idempotency-Key is stored, and each repeat of the request
 * gets it again. The interceptor is not global, because Nest would then also wrap reading and chatting in observables.
 */
export const Idempotent = (): MethodDecorator => intercepted('kept');

/** For a write that handles Idempotency-Key itself: a turn stores its key with its answer. */
export const OwnIdempotency = (): MethodDecorator => SetMetadata(IDEMPOTENCY, 'own' satisfies Idempotency);

/** For a write that may be done twice, or whose response must not be stored. An Idempotency-Key must only be well-formed. */
export const NoIdempotency = (): MethodDecorator => intercepted('none');

const SHOWN_ONCE = 'shownOnce';

/** Names secrets in the response of a route. They are not stored: a repeat of the request gets null instead. */
export const ShownOnce = (...fields: string[]): MethodDecorator => SetMetadata(SHOWN_ONCE, fields);

const ANSWERS_ANEW = 'answersAnew';

/**
 * For a write that may be done twice, and whose response contains text of a conversation: the response is not stored, and a
 * repeat does the work again. A project that encrypts its content must not have it in plain text here.
 */
export const AnswersAnew = (): MethodDecorator => SetMetadata(ANSWERS_ANEW, true);

/**
 * Makes a write idempotent: the key, the write and its response are stored in one transaction, so that a crash cannot leave
 * only a part of them. A refused request stores no key and may be sent again.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly idempotencyKeys: IdempotencyKeys,
    private readonly writes: IdempotentWrites,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest & { user?: Actor }>();
    // Keys belong to users. Without a user there is none: signing in twice makes two sign-ins.
    if (request.user === undefined || this.idempotencyKeys.given(request) === undefined) return next.handle();
    if (this.reflector.get<Idempotency>(IDEMPOTENCY, context.getHandler()) === 'none') return next.handle();
    const key = this.idempotencyKeys.of(request) as IdempotencyKey;
    const secrets = this.reflector.get<readonly string[] | undefined>(SHOWN_ONCE, context.getHandler()) ?? [];
    const isAnew = this.reflector.get<boolean | undefined>(ANSWERS_ANEW, context.getHandler()) ?? false;
    const keep = (body: unknown): Pick<KeptResponse, 'body' | 'isAnew'> =>
      isAnew
        ? { isAnew, body: null }
        : { body: secrets.length === 0 ? (body ?? null) : without(secrets, body as object) };
    return from(this.answerOnce(request.user, key, context.switchToHttp().getResponse(), next, keep));
  }

  private async answerOnce(
    actor: Actor,
    key: IdempotencyKey,
    reply: FastifyReply,
    next: CallHandler,
    keep: (body: unknown) => Pick<KeptResponse, 'body' | 'isAnew'>,
  ): Promise<unknown> {
    let body: unknown;
    const repeated = await this.writes.once(actor, key, async () => {
      body = await lastValueFrom(next.handle(), { defaultValue: undefined });
      return { etag: headerOf(reply, 'etag'), location: headerOf(reply, 'location'), ...keep(body) };
    });
    if (repeated === null) return body;
    if (repeated.isAnew === true) return replay(reply, { ...repeated, body: await lastValueFrom(next.handle()) });
    return replay(reply, repeated);
  }
}

function without(fields: readonly string[], body: object): object {
  return { ...body, ...Object.fromEntries(fields.map((field) => [field, null])) };
}

function headerOf(reply: FastifyReply, name: string): string | undefined {
  const value = reply.getHeader(name);
  return typeof value === 'string' ? value : undefined;
}

function replay(reply: FastifyReply, { etag, location, body }: KeptResponse): unknown {
  if (etag !== undefined) void reply.header('etag', etag);
  if (location !== undefined) void reply.header('location', location);
  markReplayed(reply);
  return body ?? undefined;
}
