import { Param, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { AppError } from '../../kernel/errors/app-error.js';
import { isId } from '../../kernel/ids.js';

const ID = { type: 'string', format: 'uuid' };

const idOr404: PipeTransform = {
  transform(value: unknown): string {
    if (!isId(value)) throw new AppError('not_found');
    return value;
  },
};

/** Passes an id in the path to the handler. */
export const idParam = (name: string): ParameterDecorator => Param(name, idOr404);

/** How texts call a resource where its name in a path does not read well. */
const SPELLINGS: Partial<Record<string, string>> = { api_key: 'API key', sign_in: 'sign-in' };

/** Documents an id in the path of a route. */
export function documentId(name: string, target: object, method: string | symbol): void {
  const document = ApiParam({ name, description: textFor(name), schema: ID });
  document(target, method, Object.getOwnPropertyDescriptor(target, method) ?? {});
}

/**
 * A documented id in the path, for a resource that its service looks up. A malformed id gets the same response as an unknown
 * one, so that the response reveals nothing. For a project, prompt, session or message use `@Owned()` or `@OwnedId()`.
 */
export const IdParam =
  (name: string): ParameterDecorator =>
  (target, method, index) => {
    if (method !== undefined) documentId(name, target, method);
    idParam(name)(target, method, index);
  };

function textFor(name: string): string {
  const resource = name.replace(/_id$/, '');
  return `The id of the ${SPELLINGS[resource] ?? resource}.`;
}
