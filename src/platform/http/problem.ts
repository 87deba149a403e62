import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { AppError, type FieldError } from '../../kernel/errors/app-error.js';
import { ERROR_CATALOGUE, type ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { INT32 } from './api-schema.js';

/** A response lists at most this many errors, and no pointer that is longer. */
export const MAX_LISTED_ERRORS = 50;
const MAX_POINTER_CHARS = 500;

/** The address of the page that explains a code. It is relative, so it is correct on every host. */
export const problemType = (code: ErrorCode): string => `/docs/errors#${code}`;

export class ProblemFieldError {
  @ApiProperty({
    example: '/email',
    description: 'A JSON pointer into the body, `?name` for a query parameter, or the name of a header.',
  })
  pointer: string;

  @ApiProperty({ example: 'must be an e-mail address', description: 'What is wrong with it, in English.' })
  message: string;
}

/** The form of an error for clients: RFC 9457 `application/problem+json`. */
export class Problem {
  @ApiProperty({ example: '/docs/errors#not_found', description: 'The page that explains this code.' })
  type: string;

  @ApiProperty({ example: 'Not found', description: 'The same for every problem with this code.' })
  title: string;

  @ApiProperty({ ...INT32, example: 404, description: 'The HTTP status.' })
  status: number;

  @ApiPropertyOptional({ description: 'One sentence about this occurrence.' })
  detail?: string;

  @ApiPropertyOptional({ example: '/projects/0199…', description: 'The path that was requested.' })
  instance?: string;

  @ApiProperty({
    enum: Object.keys(ERROR_CATALOGUE),
    enumName: 'ErrorCode',
    description: 'A code never changes its meaning: branch on it. More codes may be added.',
  })
  code: string;

  @ApiPropertyOptional({ description: 'The id of the request: `X-Request-Id`, and the id in the log of the server.' })
  request_id?: string;

  @ApiPropertyOptional({
    description: 'Only with `second_factor_required`: send it to `POST /auth/login/second-factor`.',
  })
  challenge?: string;

  @ApiPropertyOptional({
    type: [ProblemFieldError],
    description: 'Every place of the request that is wrong, or that names something which does not exist.',
  })
  errors?: ProblemFieldError[];
}

/** The problem document of an error. `at` is absent when there is no request, as in a stored answer. */
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

/** A field name may be as long as a body; the pointer to its parent is enough then. */
function short({ pointer, message }: FieldError): FieldError {
  if (pointer.length <= MAX_POINTER_CHARS) return { pointer, message };
  return { pointer: pointer.slice(0, Math.max(0, pointer.lastIndexOf('/', MAX_POINTER_CHARS))), message };
}
