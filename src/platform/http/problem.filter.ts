import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Injectable, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { fromPgError } from '../database/pg-errors.js';
import { toProblem } from './problem.js';
import { RouteTable } from './route-table.js';

/** The error codes for the framework's own errors, by status. */
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

/** When to retry after a 503, unless its cause says so. */
const RETRY_AFTER_SECONDS = 5;

/** The only place where an error becomes a response. Unknown errors become a plain 500; their cause goes only to the log. */
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
    // A response that has started cannot be withdrawn; closing the connection shows the client that it is incomplete.
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
    // A stack helps only with unexpected errors; a refused key or a lost database needs none.
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
 * The status of the framework's errors. Nest's exceptions have a method for it. Fastify's errors have a field, and an FST_
 * code; those of its file server, which refuses paths that leave its directory, have a field and are marked as safe to show.
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
