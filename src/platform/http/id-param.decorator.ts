import { applyDecorators, Param, type PipeTransform } from '@nestjs/common';
import { ApiParam } from '@nestjs/swagger';
import { AppError } from '../../kernel/errors/app-error.js';
import { isId } from '../../kernel/ids.js';

const idOr404: PipeTransform = {
  transform(value: unknown): string {
    if (!isId(value)) throw new AppError('not_found');
    return value;
  },
};

/** An id in the path. A malformed one answers like an unknown one, so that the answer tells nothing about ids. */
export const IdParam = (name: string): ParameterDecorator => Param(name, idOr404);

/** Documents the path parameters of a route or of all routes of a controller. */
export const ApiIds = (...names: string[]): ClassDecorator & MethodDecorator =>
  applyDecorators(...names.map((name) => ApiParam({ name, schema: { type: 'string', format: 'uuid' } })));
