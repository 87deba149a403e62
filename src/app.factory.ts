import { readFileSync } from 'node:fs';
import type { ServerOptions as HttpOptions } from 'node:http';
import type { ServerOptions } from 'node:https';
import fastifyCors from '@fastify/cors';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { type FastifyInstance, fastify, type FastifyServerOptions, type RawServerBase } from 'fastify';
import { AppModule } from './app.module.js';
import { newId } from './kernel/ids.js';
import { serveDocs } from './openapi.js';
import type { AppConfig } from './app-config.js';
import { refuseAddress, refuseBytes } from './platform/http/early-refusals.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { limitRequests } from './platform/http/request-limits.js';
import { RouteTable } from './platform/http/route-table.js';
import { securityHeaders } from './platform/http/security-headers.js';
import { ValidationPipe } from './platform/http/validation.pipe.js';
import { Metrics } from './platform/observability/metrics.js';
import { createLog, PinoLogger } from './platform/observability/pino-logger.js';
import { logRequests } from './platform/observability/request-log.js';
import { measureRequests } from './platform/observability/request-metrics.js';

/** The request line and the headers are small, so a client that needs longer is slow on purpose. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often Node.js checks for clients that exceeded a timeout. */
const TIMEOUT_CHECK_MS = 1000;

/** TLS 1.3, and the TLS 1.2 suites with forward secrecy and authenticated encryption (RFC 9325, 4.2), in the server's order. */
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256',
].join(':');

/** A request id from a client that is safe to use unchanged in log lines and headers. */
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;

/** Creates the application, ready to listen. The server and every e2e test use it. It migrates the database if configured to. */
export async function createApp(config: AppConfig): Promise<NestFastifyApplication> {
  const log = createLog(config);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(config),
    new FastifyAdapter(createServer(config)),
    {
      logger: new PinoLogger(log),
      abortOnError: false,
      forceCloseConnections: true,
    },
  );
  try {
    const server: FastifyInstance = app.getHttpAdapter().getInstance();
    app.get(RouteTable).watch(server);
    logRequests(server, log);
    measureRequests(server, app.get(Metrics));
    await secure(app, config);
    limitRequests(server);
    app.useGlobalFilters(app.get(ProblemFilter));
    app.useGlobalPipes(new ValidationPipe());
    serveDocs(app, config);
    await app.init();
    await server.ready();
    return app;
  } catch (error) {
    await app.close();
    throw error;
  }
}

function createServer(config: AppConfig): FastifyInstance {
  const http: HttpOptions = { connectionsCheckingInterval: TIMEOUT_CHECK_MS };
  const options: FastifyServerOptions<RawServerBase> & { http?: HttpOptions; https?: ServerOptions | null } = {
    logger: false,
    http,
    bodyLimit: config.bodyLimitBytes,
    requestTimeout: config.requestTimeoutMs,
    // Longer than the idle timeout of common load balancers (60 s), so that they never write to a socket we just closed.
    keepAliveTimeout: 65_000,
    trustProxy: config.trustedProxies === 0 ? false : (_address: string, hop: number) => hop < config.trustedProxies,
    // As long as an address can be, so that a malformed long id reaches its route, which reports it.
    routerOptions: { maxParamLength: 16_384, ignoreTrailingSlash: true },
    frameworkErrors: refuseAddress(securityHeaders(config)),
    clientErrorHandler: refuseBytes(securityHeaders(config)),
    genReqId: ({ headers }) => {
      const given = headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : newId();
    },
    ...(config.tlsCertFile === undefined || config.tlsKeyFile === undefined
      ? {}
      : {
          https: {
            ...http,
            cert: readFileSync(config.tlsCertFile),
            key: readFileSync(config.tlsKeyFile),
            minVersion: 'TLSv1.2',
            ciphers: CIPHERS,
          },
        }),
  };
  const server = fastify(options as FastifyServerOptions) as unknown as FastifyInstance;
  server.server.headersTimeout = Math.min(HEADERS_TIMEOUT_MS, config.requestTimeoutMs);
  server.server.maxConnections = config.maxConnections;
  // Fastify parses plain text by default; here it is an unsupported media type like any other.
  server.removeContentTypeParser('text/plain');
  return server;
}

async function secure(app: NestFastifyApplication, config: AppConfig): Promise<void> {
  const fixed = securityHeaders(config);
  app
    .getHttpAdapter()
    .getInstance()
    .addHook('onRequest', (request, reply, done) => {
      void reply.headers(fixed).header('x-request-id', request.id);
      // Many clients send a media type without a body; that is not malformed JSON.
      const { headers } = request;
      if (headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0) {
        delete headers['content-type'];
      }
      done();
    });
  if (config.corsOrigins.length === 0) return;
  await app.register(fastifyCors, {
    origin: config.corsOrigins,
    credentials: false,
    maxAge: 600,
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    exposedHeaders: [
      'X-Request-Id',
      'ETag',
      'Retry-After',
      'RateLimit',
      'RateLimit-Policy',
      'Idempotent-Replayed',
      'Location',
      'Erasure-Receipt',
    ],
  });
}
