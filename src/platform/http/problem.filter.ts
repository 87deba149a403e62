import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { fromPgError } from '../database/pg-errors.js';
import { toProblem } from './problem.js';
import { RouteTable } from './route-table.js';

/** What the framework's own refusals mean in our catalogue. */
const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'malformed_request',
  401: 'unauthenticated',
  403: 'not_found',
  404: 'not_found',
  405: 'method_not_allowed',
  406: 'not_acceptable',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  431: 'headers_too_large',
};

/** When to ask again after a 503 whose cause does not say. */
const RETRY_AFTER_SECONDS = 5;

/** The one place where an error becomes an answer. Unknown errors become a bland 500; their cause goes to the log only. */
@Injectable()
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly log = new Logger(ProblemFilter.name);

  constructor(private readonly routes: RouteTable) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    const path = pathOf(request);
    const allowed = isRouterMiss(thrown) ? this.routes.methodsAt(path) : [];
    const error = allowed.length > 0 ? new AppError('method_not_allowed') : toAppError(thrown);
    this.record(error, request, path);
    // An answer that has begun can not be taken back; ending it tells the client that it is not whole.
    if (reply.sent || reply.raw.headersSent) return void reply.raw.destroy();
    const { status } = error.definition;
    if (allowed.length > 0) void reply.header('allow', allowed.join(', '));
    if (status === 401) void reply.header('www-authenticate', 'Bearer realm="parley"');
    const retryAfter = error.retryAfterSeconds ?? (status === 503 ? RETRY_AFTER_SECONDS : undefined);
    if (error.headers !== undefined) void reply.headers(error.headers);
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
    void reply
      .status(status)
      .type('application/problem+json')
      .send(JSON.stringify(toProblem(error, { instance: path, requestId: request.id })));
  }

  private record(error: AppError, request: FastifyRequest, path: string): void {
    const { level } = error.definition;
    if (level === 'info') return;
    const facts = { code: error.code, requestId: request.id, method: request.method, path };
    // A stack helps with what is unexpected; a refused key or a lost database explains itself.
    if (error.code === 'internal_error') this.log.error({ ...facts, err: error.cause }, 'Unexpected error');
    else this.log[level]({ ...facts, reason: reasonOf(error.cause) }, error.definition.title);
  }
}

function toAppError(thrown: unknown): AppError {
  const error = fromPgError(thrown);
  if (error instanceof AppError) return error;
  const code = BY_STATUS[statusOf(error) ?? 0];
  return code === undefined ? new AppError('internal_error', { cause: error }) : new AppError(code, { cause: error });
}

/**
 * Status of the framework's errors: Nest's exceptions carry it in a method, Fastify's in a field beside an FST_ code, and
 * those of its file server, which refuses a path that climbs, in a field of an error that says it may be shown.
 */
function statusOf(error: unknown): number | undefined {
  if (error instanceof HttpException) return error.getStatus();
  const { code, statusCode, expose } = error as { code?: unknown; statusCode?: unknown; expose?: unknown };
  const isFastify = (typeof code === 'string' && code.startsWith('FST_')) || expose === true;
  if (error instanceof SyntaxError && statusCode === 400) return 400;
  return isFastify && typeof statusCode === 'number' ? statusCode : undefined;
}

function isRouterMiss(thrown: unknown): boolean {
  return thrown instanceof HttpException && thrown.getStatus() === 404;
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] as string;
}

function reasonOf(cause: unknown): string | undefined {
  return cause instanceof Error ? cause.message : undefined;
}
