import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import { ApiProblems } from './api-problems.decorator.js';

/** Sets the entity tag of a versioned resource. */
export function setEtag(reply: FastifyReply, { version }: { readonly version: number }): void {
  void reply.header('etag', `"${version}"`);
}

// RFC 9110, 8.8.3 and 13.1.1.
const TAG_LIST = /^[ \t,]*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))+$/;
/** Strong tags in the form that `setEtag` writes. */
const OUR_TAGS = /(?<!W\/)"([1-9]\d{0,8})"/g;

const ifMatch = createParamDecorator((_: unknown, context: ExecutionContext): readonly number[] | null => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  if (header === undefined || header.trim() === '*') return null;
  if (!TAG_LIST.test(header)) return [];
  return [...header.matchAll(OUR_TAGS)].map(([, version]) => Number(version));
});

/**
 * The versions that `If-Match` names; null when the client sent none or `*`, so any version will do. Documents the header
 * and the error. A tag that we never issued matches nothing, and leads to 412 like any outdated tag.
 */
export const IfMatch = (): ParameterDecorator => (target, method, index) => {
  if (method !== undefined) {
    documented(target, method, Object.getOwnPropertyDescriptor(target, method) ?? {});
  }
  ifMatch()(target, method, index);
};

const documented = applyDecorators(
  ApiHeader({
    name: 'If-Match',
    required: false,
    description: 'The `ETag` that was read. 412 when the resource has changed since.',
  }),
  ApiProblems('precondition_failed'),
);

/** Throws `precondition_failed` when the current version is not one that the client named. */
export function requireVersion(ifMatch: readonly number[] | null, { version }: { readonly version: number }): void {
  if (ifMatch !== null && !ifMatch.includes(version)) throw new AppError('precondition_failed');
}
