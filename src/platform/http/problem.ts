import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { AppError } from '../../kernel/errors/app-error.js';
import { ERROR_CATALOGUE, type ErrorCode } from '../../kernel/errors/error-catalogue.js';

/** Where the meaning of a code is written down; relative, so that it holds on every host. */
export const problemType = (code: ErrorCode): string => `/docs/errors#${code}`;

export class ProblemFieldError {
  @ApiProperty({
    example: '/email',
    description: 'JSON pointer into the body, `?name` for a query parameter, or a header name.',
  })
  pointer: string;

  @ApiProperty({ example: 'must be an e-mail address' })
  message: string;
}

/** An error as clients see it: RFC 9457 `application/problem+json`. */
export class Problem {
  @ApiProperty({ example: '/docs/errors#not_found' })
  type: string;

  @ApiProperty({ example: 'Not found' })
  title: string;

  @ApiProperty({ type: 'integer', example: 404 })
  status: number;

  @ApiPropertyOptional({ description: 'One sentence about this occurrence.' })
  detail?: string;

  @ApiPropertyOptional({ example: '/projects/0199…', description: 'The path that was asked for.' })
  instance?: string;

  @ApiProperty({ enum: Object.keys(ERROR_CATALOGUE), enumName: 'ErrorCode', description: 'Stable; branch on this.' })
  code: string;

  @ApiPropertyOptional({ description: 'The same id as in X-Request-Id and in our log.' })
  request_id?: string;

  @ApiPropertyOptional({ description: 'Of `second_factor_required`: goes to `POST /auth/login/second-factor`.' })
  challenge?: string;

  @ApiPropertyOptional({ type: [ProblemFieldError] })
  errors?: ProblemFieldError[];
}

/** The body for an error. `at` is left out where no request is at hand, as in a stored answer. */
export function toProblem(error: AppError, at?: { instance: string; requestId: string }): Problem {
  const { status, title } = error.definition;
  return {
    ...error.extensions,
    type: problemType(error.code),
    title,
    status,
    ...(error.detail === undefined ? {} : { detail: error.detail }),
    ...(at === undefined ? {} : { instance: at.instance }),
    code: error.code,
    ...(at === undefined ? {} : { request_id: at.requestId }),
    ...(error.errors === undefined ? {} : { errors: [...error.errors] }),
  };
}
