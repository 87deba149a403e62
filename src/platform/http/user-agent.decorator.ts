import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

const MAX_CHARS = 300;

/** The client's User-Agent, so that a person can recognise a sign-in; null when there is none. */
export const UserAgent = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | null =>
    context.switchToHttp().getRequest<FastifyRequest>().headers['user-agent']?.slice(0, MAX_CHARS) ?? null,
);
