import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';

/** Logs one line per response: the request, its status and its duration. Never a body, a query or a header. */
export function logRequests(server: FastifyInstance, log: Logger): void {
  if (!log.isLevelEnabled('info')) return;
  server.addHook('onResponse', (request, reply, done) => {
    if (request.routeOptions.config.isQuiet !== true) {
      const { user } = request as { user?: { userId: string } };
      log.info({
        requestId: request.id,
        method: request.method,
        path: request.url.split('?', 1)[0],
        status: reply.statusCode,
        ms: Math.round(reply.elapsedTime),
        userId: user?.userId,
      });
    }
    done();
  });
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** For routes that are called so often, and say so little, that their lines are noise. */
    isQuiet?: boolean;
  }
}
