import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';

/** Sets the entity tag of a versioned resource. */
export function setEtag(reply: FastifyReply, { version }: { readonly version: number }): void {
  void reply.header('etag', `"${version}"`);
}

// RFC 9110, 8.8.3 and 13.1.1.
const TAG_LIST = /^[ \t,]*(?:(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"[ \t]*(?:,[ \t,]*|$))+$/;
/** Strong tags of the form that `setEtag` writes. */
const OUR_TAGS = /(?<!W\/)"([1-9]\d{0,8})"/g;

/**
 * The versions named by `If-Match`: null when the client sent none or `*`, so any version will do.
 * A tag that we never gave out matches nothing, which is 412 like any other tag that is out of date.
 */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): readonly number[] | null => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  if (header === undefined || header.trim() === '*') return null;
  if (!TAG_LIST.test(header)) return [];
  return [...header.matchAll(OUR_TAGS)].map(([, version]) => Number(version));
});

/** Throws `precondition_failed` when the client read another version than the one there is now. */
export function requireVersion(ifMatch: readonly number[] | null, { version }: { readonly version: number }): void {
  if (ifMatch !== null && !ifMatch.includes(version)) throw new AppError('precondition_failed');
}
