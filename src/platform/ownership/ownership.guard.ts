import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import type { Actor } from '../../kernel/actor.js';
import { AppError } from '../../kernel/errors/app-error.js';
import { isId } from '../../kernel/ids.js';
import { IdempotencyKeys } from '../idempotency/idempotency-keys.js';
import { IdempotencyRepository } from '../idempotency/idempotency.repository.js';
import { OwnedResources } from './owned-resources.js';

/** Where a route says what its path names. */
export const OWNED = 'owned';

export interface OwnedParameter {
  readonly name: string;
  /** Whether the handler takes what was found, and not its id alone. */
  readonly isHandedOver: boolean;
}

export type OwnedRequest = FastifyRequest & { user?: Actor; owned?: object | null };

/**
 * Answers `not_found` when the path names something that is not the actor's, before the body is looked at and the handler
 * is entered. `@Owned()` and `@OwnedId()` put it on a route, behind the global guards.
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
    if (actor === undefined) throw new Error('the ownership guard runs behind the one that knows the actor');
    const id = (params as Partial<Record<string, string>>)[name];
    if (!isId(id)) throw new AppError('not_found');
    if (!isHandedOver && method !== 'GET' && this.resources.wasFound(name, actor, id)) return true;
    request.owned = await this.resources.find(name, actor, id);
    if (request.owned === null && !(await this.isRepeat(actor, request))) throw new AppError('not_found');
    return true;
  }

  /** What this very request has deleted is gone when the request comes again; it gets the answer that was kept. */
  private async isRepeat({ userId }: Actor, request: OwnedRequest): Promise<boolean> {
    const key = request.method === 'GET' ? null : this.keys.of(request);
    return key !== null && (await this.kept.findKept(userId, key)) !== null;
  }
}
