import { applyDecorators, Param, type PipeTransform } from '@nestjs/common';
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

/** An id in the path. A malformed one answers like an unknown one, so that the answer tells nothing about ids. */
export const IdParam = (name: string): ParameterDecorator => Param(name, idOr404);

/** How texts call a resource where its name in a path does not read well. */
const SPELLINGS: Partial<Record<string, string>> = { api_key: 'API key', sign_in: 'sign-in' };

/** Documents the path parameters of a route or of all routes of a controller. */
export const ApiIds = (...names: string[]): ClassDecorator & MethodDecorator =>
  applyDecorators(...names.map((name) => ApiParam({ name, description: textFor(name), schema: ID })));

function textFor(name: string): string {
  const resource = name.replace(/_id$/, '');
  return `The id of the ${SPELLINGS[resource] ?? resource}.`;
}
