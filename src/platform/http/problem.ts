import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { AppError, type FieldError } from '../../kernel/errors/app-error.js';
import { ERROR_CATALOGUE, type ErrorCode } from '../../kernel/errors/error-catalogue.js';

/** An answer lists no more wrong places than this, and no pointer that is longer. */
export const MAX_LISTED_ERRORS = 50;
const MAX_POINTER_CHARS = 500;

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
  const isCut = (error.errors?.length ?? 0) > MAX_LISTED_ERRORS;
  const detail = error.detail ?? (isCut ? `Only the first ${MAX_LISTED_ERRORS} errors are listed.` : undefined);
  return {
    ...error.extensions,
    type: problemType(error.code),
    title,
    status,
    ...(detail === undefined ? {} : { detail }),
    ...(at === undefined ? {} : { instance: at.instance }),
    code: error.code,
    ...(at === undefined ? {} : { request_id: at.requestId }),
    ...(error.errors === undefined ? {} : { errors: error.errors.slice(0, MAX_LISTED_ERRORS).map(short) }),
  };
}

/** A field of the body as a JSON pointer (RFC 6901). */
export function pointerTo(field: string): string {
  return `/${field.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

/** A name may be as long as a body: where it is, its object says well enough. */
function short({ pointer, message }: FieldError): FieldError {
  if (pointer.length <= MAX_POINTER_CHARS) return { pointer, message };
  return { pointer: pointer.slice(0, Math.max(0, pointer.lastIndexOf('/', MAX_POINTER_CHARS))), message };
}
