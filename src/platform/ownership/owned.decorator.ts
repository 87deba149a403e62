import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata, UseGuards } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { documentId, idParam } from '../http/id-param.decorator.js';
import { OWNED, type OwnedParameter, type OwnedRequest, OwnershipGuard } from './ownership.guard.js';

const resource = createParamDecorator((_: unknown, context: ExecutionContext): object => {
  const { owned } = context.switchToHttp().getRequest<OwnedRequest>();
  // A repeat that is let through without a resource has no use for one, unless it does its work again.
  if (owned == null) throw new AppError('not_found');
  return owned;
});

/** What the path names by this id: the guard has found it, so it is the actor's. Documents the id. */
export const Owned = (name: string): ParameterDecorator => guarded({ name, isHandedOver: true }, resource());

/** The id of something in the path that is the actor's. Documents the id. For writes it may have been found a moment ago. */
export const OwnedId = (name: string): ParameterDecorator => guarded({ name, isHandedOver: false }, idParam(name));

function guarded(parameter: OwnedParameter, hand: ParameterDecorator): ParameterDecorator {
  const declare = applyDecorators(SetMetadata(OWNED, parameter), UseGuards(OwnershipGuard));
  return (target, method, index) => {
    if (method === undefined) throw new Error('a path has no part in a constructor');
    declare(target, method, Object.getOwnPropertyDescriptor(target, method));
    documentId(parameter.name, target, method);
    hand(target, method, index);
  };
}
