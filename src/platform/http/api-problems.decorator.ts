import { applyDecorators } from '@nestjs/common';
import { ApiResponse, getSchemaPath } from '@nestjs/swagger';
import { ERROR_CATALOGUE, type ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { Problem } from './problem.js';

const PROBLEM_JSON = 'application/problem+json';

/** The body of an error in the OpenAPI document. */
export const PROBLEM_CONTENT = { [PROBLEM_JSON]: { schema: { $ref: getSchemaPath(Problem) } } };

/** Names the errors that a route can answer with. The OpenAPI document groups them by status. */
export function ApiProblems(...codes: ErrorCode[]): ClassDecorator & MethodDecorator {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const { status } = ERROR_CATALOGUE[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const responses = [...byStatus].map(([status, named]) =>
    ApiResponse({
      status,
      description: named.map((code) => `\`${code}\`: ${ERROR_CATALOGUE[code].title}.`).join(' '),
      content: PROBLEM_CONTENT,
    }),
  );
  return applyDecorators(...responses);
}
