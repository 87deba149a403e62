import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';
import { newId } from '../../kernel/ids.js';
import { toProblem } from './problem.js';

// These responses bypass the hooks that set headers, and Nest's filter, so they set the common headers themselves.
type Headers = Readonly<Record<string, string>>;

/** For Fastify's `frameworkErrors`: an address that the router cannot read. */
export const refuseAddress =
  (headers: Headers) =>
  (_error: unknown, request: Pick<FastifyRequest, 'id' | 'url'>, reply: unknown): void => {
    const error = new AppError('malformed_request');
    const instance = request.url.split('?', 1)[0] as string;
    void (reply as FastifyReply)
      .status(error.definition.status)
      .headers({ ...headers, 'x-request-id': request.id })
      .type('application/problem+json')
      .send(JSON.stringify(toProblem(error, { instance, requestId: request.id })));
  };

const BY_CODE: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request_timeout',
};

/** For Fastify's `clientErrorHandler`: bytes that the HTTP parser cannot read, or that arrived too slowly. */
export const refuseBytes =
  (headers: Headers) =>
  (failure: Error & { readonly code?: string }, socket: Socket): void => {
    if (failure.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const error = new AppError(BY_CODE[failure.code ?? ''] ?? 'malformed_request');
    const { status } = error.definition;
    const requestId = newId();
    const { instance: _unknown, ...problem } = toProblem(error, { instance: '', requestId });
    const body = JSON.stringify(problem);
    const lines = Object.entries({
      ...headers,
      'content-type': 'application/problem+json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      'x-request-id': requestId,
      connection: 'close',
    }).map(([name, value]) => `${name}: ${value}`);
    socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'));
  };
