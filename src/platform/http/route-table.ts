import { Injectable } from '@nestjs/common';
import type { FastifyInstance } from 'fastify';

export interface Route {
  readonly method: string;
  /** With parameters as `:name`. */
  readonly path: string;
}

/** Every route of the server, recorded at its registration: for 405 responses, and for tests that cover all routes. */
@Injectable()
export class RouteTable {
  private readonly entries: { route: Route; pattern: RegExp }[] = [];

  /** Call it before the first route is registered. */
  watch(server: FastifyInstance): void {
    server.addHook('onRoute', ({ method, url }) => {
      for (const name of [method].flat()) {
        if (name === 'HEAD' || name === 'OPTIONS' || url.includes('*')) continue;
        this.entries.push({ route: { method: name, path: url }, pattern: patternOf(url) });
      }
    });
  }

  routes(): readonly Route[] {
    return this.entries.map(({ route }) => route);
  }

  /** The methods of this path; empty if there is no such path. */
  methodsAt(path: string): string[] {
    return [...new Set(this.entries.filter(({ pattern }) => pattern.test(path)).map(({ route }) => route.method))];
  }
}

function patternOf(path: string): RegExp {
  const escaped = path.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replace(/:[a-z_]+/gi, '[^/]+');
  return new RegExp(`^${escaped}/?$`);
}
