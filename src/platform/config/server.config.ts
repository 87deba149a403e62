import { IsArray, IsBoolean, IsIn, IsOptional, IsString } from 'class-validator';
import { IsMilliseconds, IsWhole } from './checks.js';
import { Variable } from './variable.decorator.js';

const PORTS = [0, 65_535] as const;

/** The process, its HTTP server, its log and its metrics. */
export class ServerConfig {
  static readonly title = 'Server';

  @Variable(
    'The environment: development, test or production. In production the server does not start with missing or weak secrets.',
  )
  @IsIn(['development', 'test', 'production'])
  nodeEnv: string = 'development';

  @Variable('Address to listen on. localhost accepts connections from this machine only; use 0.0.0.0 in a container.')
  @IsString()
  host: string = 'localhost';

  @Variable('Port to listen on. 0 chooses a free port.')
  @IsWhole(...PORTS)
  port: number = 8000;

  @Variable('Origins of the browser apps that may call the API, separated by commas. When empty, none may.')
  @IsArray()
  @IsString({ each: true })
  corsOrigins: string[] = [];

  @Variable(
    'Number of reverse proxies in front of the server. It takes the address of a client from that many entries of X-Forwarded-For; with 0 it ignores the header.',
  )
  @IsWhole(0, 10)
  trustedProxies: number = 0;

  @Variable('Path of a PEM certificate chain. Together with TLS_KEY_FILE it makes the server speak HTTPS.')
  @IsOptional()
  @IsString()
  tlsCertFile?: string;

  @Variable('Path of the PEM private key for TLS_CERT_FILE.')
  @IsOptional()
  @IsString()
  tlsKeyFile?: string;

  @Variable('Largest request body, in bytes. Larger bodies are answered with 413.')
  @IsWhole(1024, 64 * 1024 * 1024)
  bodyLimitBytes: number = 1024 * 1024;

  @Variable('Milliseconds that a client may take to send a whole request.')
  @IsMilliseconds(1000)
  requestTimeoutMs: number = 30_000;

  @Variable('Maximum number of open connections. Further connections are closed at once.')
  @IsWhole(1)
  maxConnections: number = 10_000;

  @Variable(
    'Milliseconds that running answers get to finish after SIGTERM. Answers that are still running then pass to another instance.',
  )
  @IsMilliseconds(0, 600_000)
  shutdownGraceMs: number = 10_000;

  @Variable('Whether Swagger UI is served at /docs. The OpenAPI document is always served at /openapi.json.')
  @IsBoolean()
  docsEnabled: boolean = true;

  @Variable(
    'Least severe level that is logged: trace, debug, info, warn, error, fatal or silent. Levels below info may log texts from the model provider.',
  )
  @IsIn(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
  logLevel: string = 'info';

  @Variable(
    'Port for GET /metrics, in the format of Prometheus. 0 chooses a free port; when empty, no metrics are served. Do not expose it to the public.',
  )
  @IsOptional()
  @IsWhole(...PORTS)
  metricsPort?: number;

  @Variable('Address on which METRICS_PORT listens. In a container use 0.0.0.0 and do not publish the port.')
  @IsString()
  metricsHost: string = 'localhost';

  @Variable(
    'Directory for the embedded database and the generated secrets of development. Delete it to start from scratch.',
  )
  @IsString()
  dataDir: string = '.data';

  @Variable(
    'Mean delay of the event loop, in milliseconds, above which new messages are answered with 503. Running answers and all other requests continue. 0 turns the check off.',
  )
  @IsMilliseconds(0, 60_000)
  maxEventLoopDelayMs: number = 500;

  @Variable('Milliseconds between two heartbeat comments on an event stream.')
  @IsMilliseconds(100)
  sseHeartbeatMs: number = 15_000;

  @Variable(
    'Milliseconds within which a client must read some of the data that waits for it on an event stream. Otherwise it is disconnected; its turn continues.',
  )
  @IsWhole(1000)
  sseStallMs: number = 30_000;

  static problems({ tlsCertFile, tlsKeyFile, metricsPort, port, corsOrigins }: ServerConfig): string[] {
    return [
      ...((tlsCertFile === undefined) === (tlsKeyFile === undefined)
        ? []
        : ['TLS_CERT_FILE and TLS_KEY_FILE: set both or none']),
      ...(metricsPort !== undefined && metricsPort === port && port !== 0
        ? ['METRICS_PORT: must differ from PORT']
        : []),
      ...(corsOrigins.includes('*') ? ['CORS_ORIGINS: must list the origins; * is not accepted'] : []),
    ];
  }
}
