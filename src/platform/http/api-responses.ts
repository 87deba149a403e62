import type { Type } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';

const text = { type: 'string' } as const;

/** The header of a resource that `If-Match` can name. */
export const ETAG_HEADER = {
  ETag: {
    description: 'The version of the resource. Send it as `If-Match` to change this version only.',
    schema: text,
  },
};

/** The header with the path of a new resource. */
export const LOCATION_HEADER = {
  Location: { description: 'The path of what was created.', schema: text },
};

/** The response of a resource with an entity tag. */
export const ApiVersioned = (type: Type): MethodDecorator => ApiOkResponse({ type, headers: ETAG_HEADER });

interface CreatedOptions {
  readonly description?: string;
  /** Whether the response has an entity tag. */
  readonly isVersioned?: boolean;
}

/** The response to a request that creates a resource. The handler calls `setLocation`. */
export const ApiCreated = (type: Type, { description, isVersioned = false }: CreatedOptions = {}): MethodDecorator =>
  ApiCreatedResponse({
    type,
    ...(description === undefined ? {} : { description }),
    headers: { ...LOCATION_HEADER, ...(isVersioned ? ETAG_HEADER : {}) },
  });

/** Sets the path of the new resource. */
export function setLocation(reply: FastifyReply, path: string): void {
  void reply.header('location', path);
}
