import { NotFoundException } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { AppError } from '../../kernel/errors/app-error.js';
import { pointerTo } from './problem.js';

const MAX_LEVELS = 32;
const MAX_VALUES = 20_000;

/** The route takes HTML form bodies beside JSON. A browser posts them across origins without asking; so hardly any route does. */
export const AcceptsForm = (): MethodDecorator => RouteConfig({ acceptsForm: true });

/** Refuses what no request of ours has the form of, before anything walks through it. */
export function limitRequests(server: FastifyInstance): void {
  server.addHook('onRequest', (request, _reply, done) => {
    // Fastify judges the body of a QUERY before it looks whether anything answers one.
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

/** Whether a value of JSON has no more levels and values than these. Level by level: what is too deep is not walked in. */
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
      // One by one: as arguments of a single push they would not fit on the stack.
      for (const item of items) level.push(item);
    }
  }
  return true;
}
