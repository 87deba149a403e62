import {
  applyDecorators,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
  type Type,
  UseInterceptors,
} from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { map, type Observable } from 'rxjs';

const text = { type: 'string' } as const;

/** The header of a resource that `If-Match` can name. */
export const ETAG_HEADER = {
  ETag: {
    description: 'The version of the resource. Send it as `If-Match` to change this version only.',
    schema: text,
  },
};

/** The header that says where a thing is. */
export const LOCATION_HEADER = {
  Location: { description: 'The path of what was created.', schema: text },
};

/** The response of a resource with an entity tag. */
export const ApiVersioned = (type: Type): MethodDecorator => ApiOkResponse({ type, headers: ETAG_HEADER });

interface CreatedOptions {
  /** The path of the new resource; `{id}` stands for the `id` of the response. */
  readonly at: string;
  readonly description?: string;
  /** Whether the response has an entity tag. */
  readonly isVersioned?: boolean;
}

/** A 201 with the `Location` of the new resource. It is set outside of the idempotency interceptor, so a repeat has it too. */
export function ApiCreated(type: Type, { at, description, isVersioned = false }: CreatedOptions): MethodDecorator {
  return applyDecorators(
    ApiCreatedResponse({
      type,
      ...(description === undefined ? {} : { description }),
      headers: { ...LOCATION_HEADER, ...(isVersioned ? ETAG_HEADER : {}) },
    }),
    UseInterceptors(new LocationInterceptor(at)),
  );
}

class LocationInterceptor implements NestInterceptor<{ id?: string }> {
  constructor(private readonly path: string) {}

  intercept(context: ExecutionContext, next: CallHandler<{ id?: string }>): Observable<unknown> {
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    return next.handle().pipe(
      map((body) => {
        // A handler that answers 202 instead has created nothing yet.
        if (reply.statusCode === 201) void reply.header('location', this.path.replace('{id}', body.id ?? ''));
        return body;
      }),
    );
  }
}
