import {
  type CallHandler,
  type ExecutionContext,
  Injectable,
  type NestInterceptor,
  RequestMethod,
  SetMetadata,
  type Type,
  UseInterceptors,
} from '@nestjs/common';
import { METHOD_METADATA, MODULE_METADATA } from '@nestjs/common/constants.js';
import { Reflector } from '@nestjs/core';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import type { Actor } from '../../kernel/actor.js';
import type { IdempotencyKey, KeptResponse } from './idempotency-key.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IdempotentWrites, markReplayed } from './idempotent-writes.js';

const OWN_IDEMPOTENCY = 'ownIdempotency';

/** For routes that see to Idempotency-Key themselves: a turn keeps its key with its answer. */
export const OwnIdempotency = (): MethodDecorator => SetMetadata(OWN_IDEMPOTENCY, true);

const NO_IDEMPOTENCY = 'noIdempotency';

/** For writes that may be done twice, or of which nothing may be kept: their Idempotency-Key must be well formed, and that is all. */
export const NoIdempotency = (): MethodDecorator => SetMetadata(NO_IDEMPOTENCY, true);

const SHOWN_ONCE = 'shownOnce';

/** Names secrets in the answer of a route. They are not kept: a repeat of the request gets null in their place. */
export const ShownOnce = (...fields: string[]): MethodDecorator => SetMetadata(SHOWN_ONCE, fields);

const ANSWERS_ANEW = 'answersAnew';

/**
 * For a write that may be done twice, and whose answer has words of a conversation: it is not kept, and a repeat does it
 * again. What a project stores encrypted must not lie beside it in plain text.
 */
export const AnswersAnew = (): MethodDecorator => SetMetadata(ANSWERS_ANEW, true);

/**
 * Makes every write repeatable: the key, the write and its answer are one transaction, so either all of it has happened
 * or nothing, whenever an instance dies. A refused request leaves no key behind and may be sent again.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  constructor(
    private readonly reflector: Reflector,
    private readonly requests: IdempotencyKeys,
    private readonly writes: IdempotentWrites,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const request = context.switchToHttp().getRequest<FastifyRequest & { user?: Actor }>();
    // Without a user there is nobody whose key it is: signing in twice makes two sign-ins.
    if (request.user === undefined || this.requests.given(request) === undefined) return next.handle();
    if (this.reflector.get<boolean | undefined>(NO_IDEMPOTENCY, context.getHandler()) === true) return next.handle();
    const key = this.requests.of(request) as IdempotencyKey;
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

/**
 * Puts the interceptor on each route of these modules that writes and does not see to its key itself. A global one would go
 * around reading and chatting too, and whatever it does or leaves there, Nest makes observables of those requests for it.
 */
export function makeWritesRepeatable(modules: readonly Type[]): void {
  for (const module of modules) {
    const controllers = (Reflect.getMetadata(MODULE_METADATA.CONTROLLERS, module) ?? []) as Type[];
    for (const { prototype } of controllers as { prototype: object }[]) {
      for (const [name, route] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
        const handler: unknown = route.value;
        if (typeof handler !== 'function') continue;
        const method = Reflect.getMetadata(METHOD_METADATA, handler) as RequestMethod | undefined;
        if (method === undefined || method === RequestMethod.GET) continue;
        if (Reflect.getMetadata(OWN_IDEMPOTENCY, handler) !== true)
          UseInterceptors(IdempotencyInterceptor)(prototype, name, route);
      }
    }
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
