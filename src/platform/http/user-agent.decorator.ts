import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

const MAX_CHARS = 300;

/** What the client says it is, for a person to recognise a sign-in by; null when it says nothing. */
export const UserAgent = createParamDecorator(
  (_: unknown, context: ExecutionContext): string | null =>
    context.switchToHttp().getRequest<FastifyRequest>().headers['user-agent']?.slice(0, MAX_CHARS) ?? null,
);
