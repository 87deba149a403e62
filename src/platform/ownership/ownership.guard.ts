import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { isId } from '../../kernel/ids.js';
import { isRead } from '../http/read-methods.js';
import { IdempotencyKeys } from '../idempotency/idempotency-keys.js';
import { IdempotencyRepository } from '../idempotency/idempotency.repository.js';
import { OwnedResources } from './owned-resources.js';

/** The metadata key under which a route names the resource of its path. */
export const OWNED = 'owned';

export interface OwnedParameter {
  readonly name: string;
  /** Whether the handler receives the resource, and not only its id. */
  readonly isHandedOver: boolean;
}

export type OwnedRequest = FastifyRequest & { user?: Actor; owned?: object | null };

/**
 * Responds with `not_found` if the path names something that does not belong to the actor, before the body is validated
 * and the handler runs. `@Owned()` and `@OwnedId()` add it to a route, after the global guards.
 */
@Injectable()
export class OwnershipGuard implements CanActivate {
  constructor(
    private readonly reflector: Reflector,
    private readonly resources: OwnedResources,
    private readonly keys: IdempotencyKeys,
    private readonly kept: IdempotencyRepository,
  ) {}

  async canActivate(context: ExecutionContext): Promise<true> {
    const request = context.switchToHttp().getRequest<OwnedRequest>();
    const { name, isHandedOver } = this.reflector.get<OwnedParameter>(OWNED, context.getHandler());
    const { user: actor, method, params } = request;
    if (actor === undefined) throw new Error('the ownership guard must run after the authentication guard');
    const id = (params as Partial<Record<string, string>>)[name];
    if (!isId(id)) throw new AppError('not_found');
    if (!isHandedOver && !isRead(method) && this.resources.wasFound(name, actor, id)) return true;
    request.owned = await this.resources.find(name, actor, id);
    if (request.owned === null && !(await this.isRepeat(actor, request))) throw new AppError('not_found');
    return true;
  }

  /** After a delete, a repeat of the request finds no resource; it gets the stored response. */
  private async isRepeat({ userId }: Actor, request: OwnedRequest): Promise<boolean> {
    const key = isRead(request.method) ? null : this.keys.of(request);
    if (key === null) return false;
    const kept = await this.kept.findKept(userId, key);
    return kept !== null && kept.requestHash.equals(key.requestHash);
  }
}
