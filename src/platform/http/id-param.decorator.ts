import { Param, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { AppError } from '../../kernel/errors/app-error.js';
import { isId } from '../../kernel/ids.js';

const idOr404: PipeTransform = {
  transform(value: unknown): string {
    if (!isId(value)) throw new AppError('not_found');
    return value;
  },
};

/** Hands an id in the path over. */
export const idParam = (name: string): ParameterDecorator => Param(name, idOr404);

/** Says in the OpenAPI document that an id is in the path of a route. */
export function documentId(name: string, target: object, method: string | symbol): void {
  const document = ApiParam({ name, schema: { type: 'string', format: 'uuid' } });
  document(target, method, Object.getOwnPropertyDescriptor(target, method) ?? {});
}

/**
 * An id in the path, documented, of something that its service looks for. A malformed one answers like an unknown one, so that
 * the answer tells nothing about ids. Where the path names a project, prompt, session or message it is `@Owned()` or `@OwnedId()`.
 */
export const IdParam =
  (name: string): ParameterDecorator =>
  (target, method, index) => {
    if (method !== undefined) documentId(name, target, method);
    idParam(name)(target, method, index);
  };
