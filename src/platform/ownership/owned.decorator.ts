import { applyDecorators, createParamDecorator, type ExecutionContext, SetMetadata, UseGuards } from '@nestjs/common';
import { AppError } from '../../kernel/errors/app-error.js';
import { documentId, idParam } from '../http/id-param.decorator.js';
import { OWNED, type OwnedParameter, type OwnedRequest, OwnershipGuard } from './ownership.guard.js';

const resource = createParamDecorator((_: unknown, context: ExecutionContext): object => {
  const { owned } = context.switchToHttp().getRequest<OwnedRequest>();
  // The guard lets a repeat pass without the resource; only a repeat that does its work again needs it.
  if (owned == null) throw new AppError('not_found');
  return owned;
});

/** The resource with this id in the path; the guard has checked that it belongs to the actor. Documents the id. */
export const Owned = (name: string): ParameterDecorator => guarded({ name, isHandedOver: true }, resource());

/** The id of a resource in the path that belongs to the actor. Documents the id. For writes, the check may be a minute old. */
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
