import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ServerConfig } from '../config/server.config.js';
import { Metrics } from './metrics.js';

const TIMEOUT_MS = 5000;

/**
 * Serves `GET /metrics` on its own port, which must not be public: the metrics show how busy the server is. It closes last,
 * so that the shutdown can be watched.
 */
@Injectable()
export class MetricsServer implements OnApplicationShutdown {
  private readonly log = new Logger(MetricsServer.name);
  private server: Server | undefined;

  constructor(
    private readonly metrics: Metrics,
    private readonly config: ServerConfig,
  ) {}

  /** Listens and returns its port; null if METRICS_PORT is not set. Throws one line if it cannot listen. */
  async listen(): Promise<number | null> {
    const { metricsPort, metricsHost } = this.config;
    if (metricsPort === undefined) return null;
    const options = { requestTimeout: TIMEOUT_MS, headersTimeout: TIMEOUT_MS, keepAliveTimeout: TIMEOUT_MS };
    this.server = createServer(options, (request, response) => void this.answer(request, response));
    try {
      await once(this.server.listen(metricsPort, metricsHost), 'listening');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new Error(`METRICS_PORT: ${metricsPort} at ${metricsHost} is not available (${code})`);
    }
    const { port } = this.server.address() as AddressInfo;
    this.log.log({ metrics: `http://${metricsHost}:${port}/metrics` }, 'Metrics can be read');
    return port;
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  private async answer({ method, url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const isFound = method === 'GET' && url?.split('?', 1)[0] === '/metrics';
    if (!isFound) return void response.writeHead(404).end();
    try {
      const text = await this.metrics.text();
      response.writeHead(200, { 'content-type': this.metrics.contentType }).end(text);
    } catch (error) {
      this.log.warn({ err: error }, 'The metrics could not be read');
      response.writeHead(500).end();
    }
  }
}
