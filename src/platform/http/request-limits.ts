import { NotFoundException } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import { pointerTo } from './problem.js';

const MAX_LEVELS = 32;
const MAX_VALUES = 20_000;

/** The route accepts HTML form bodies beside JSON. A browser sends forms across origins without asking, so very few routes do. */
export const AcceptsForm = (): MethodDecorator => RouteConfig({ acceptsForm: true });

/** Refuses bodies that no request of this API can have, before any code walks through them. */
export function limitRequests(server: FastifyInstance): void {
  server.addHook('onRequest', (request, _reply, done) => {
    // Fastify checks the body of a QUERY request before it looks for a route.
    if (request.method === 'QUERY' && request.is404) return done(new NotFoundException());
    const isForm = /^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '');
    const { acceptsForm } = request.routeOptions.config as { acceptsForm?: boolean };
    if (isForm && acceptsForm !== true && !request.is404) done(new AppError('unsupported_media_type'));
    else done();
  });
  server.addHook('preValidation', ({ body }, _reply, done) => {
    if (isWithin(body, MAX_LEVELS, MAX_VALUES)) return done();
    const fields = Array.isArray(body) ? [] : Object.entries(body as object);
    const [field] = fields.find(([, value]) => !isWithin(value, MAX_LEVELS - 1, MAX_VALUES)) ?? [];
    done(
      AppError.invalid(
        field === undefined ? '' : pointerTo(field),
        `must have at most ${MAX_LEVELS} levels and ${MAX_VALUES} values`,
      ),
    );
  });
}

/** Whether a JSON value has at most this many levels and values. Goes level by level, so it never enters a level that is too deep. */
export function isWithin(value: unknown, maxLevels: number, maxValues: number): boolean {
  let level = [value];
  let values = 1;
  for (let depth = 0; level.length > 0; depth++) {
    const containers = level.filter((item): item is object => typeof item === 'object' && item !== null);
    if (containers.length > 0 && depth >= maxLevels) return false;
    level = [];
    for (const container of containers) {
      const items = Object.values(container) as unknown[];
      values += items.length;
      if (values > maxValues) return false;
      // One by one: as the arguments of a single push they would overflow the stack.
      for (const item of items) level.push(item);
    }
  }
  return true;
}
