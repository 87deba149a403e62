import type { FastifyInstance } from 'fastify';
import type { Metrics } from './metrics.js';

const BUCKETS = [0.01, 0.05, 0.25, 1, 5, 30];
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];
const STATUSES = ['1xx', '2xx', '3xx', '4xx', '5xx'];

/** Counts requests and measures their duration, by route pattern: an address contains ids. */
export function measureRequests(server: FastifyInstance, metrics: Metrics): void {
  if (!metrics.isOn) return;
  const measure = metrics.histogram(
    'parley_http_request_duration_seconds',
    'Requests by route and class of status; a stream lasts as long as its answer.',
    BUCKETS,
    { method: METHODS, route: null, status: STATUSES },
  );
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.is404 ? 'none' : (request.routeOptions.url ?? 'none');
    const status = `${Math.floor(reply.raw.statusCode / 100)}xx`;
    measure({ method: request.method, route, status }, reply.elapsedTime / 1000);
    done();
  });
}
