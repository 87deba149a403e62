import { existsSync, readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { type AppConfig, defaultConfig } from './app-config.js';
import { loadConfig } from './app-config.js';
import { type OpenDatabase, openDatabase } from './platform/database/open-database.js';
import { MetricsServer } from './platform/observability/metrics-server.js';
import { createLog } from './platform/observability/pino-logger.js';
import { banner, databaseLine, explainFailure } from './start-messages.js';

// The time that the application may take beyond its grace period to close pools and sockets.
const CLOSE_MARGIN_MS = 5000;
const PARENT_POLL_MS = 500;
const SAME_SIGNAL_MS = 300;
const HURRY_MS = 3000;

/** The life cycle of the server process: start the database and the application; on a signal, stop them in reverse order. */
export class Lifecycle {
  private config: AppConfig | undefined;
  private database: OpenDatabase | undefined;
  private app: NestFastifyApplication | undefined;
  private starting: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  private signalledAt = 0;

  constructor(private readonly env: NodeJS.ProcessEnv) {}

  /** Resolves when the server listens. If it cannot, prints the reason on stderr and ends the process with code 1. */
  async start(): Promise<void> {
    this.watchProcess();
    this.starting = this.rise();
    try {
      await this.starting;
    } catch (error) {
      // The errors of an interrupted start would only confuse.
      if (this.stopping === undefined) process.stderr.write(`${explainFailure(error, this.config)}\n`);
      await this.stop(1);
    }
  }

  private async rise(): Promise<void> {
    if (existsSync('.env')) process.loadEnvFile('.env');
    const config = loadConfig(this.env);
    this.config = config;
    checkTlsFiles(config);
    // Loaded while the embedded server starts in processes of its own; a failed import is reported below. Not loaded while a
    // configured database is checked: loading blocks the event loop and would use up DATABASE_CONNECT_TIMEOUT_MS.
    if (config.databaseUrl === undefined) void import('./app.factory.js').catch(() => undefined);
    this.database = await openDatabase(config, config.migrateOnStart, (line) => createLog(config).warn(line));
    if (this.stopping !== undefined) return;
    const { createApp } = await import('./app.factory.js');
    this.app = await createApp(config);
    if (this.stopping !== undefined) return;
    await this.app.get(MetricsServer).listen();
    // Fastify's own listen: Nest's would log a failure before we explain it.
    await this.app.getHttpAdapter().getInstance().listen({ port: config.port, host: config.host });
    this.announce(config, this.app.getHttpServer().address() as AddressInfo);
  }

  private announce(config: AppConfig, { port }: AddressInfo): void {
    const isAnyAddress = config.host === '0.0.0.0' || config.host === '::';
    const host = isAnyAddress ? 'localhost' : config.host.includes(':') ? `[${config.host}]` : config.host;
    const address = `${config.tlsCertFile === undefined ? 'http' : 'https'}://${host}:${port}`;
    if (config.nodeEnv === 'production') {
      createLog(config).info({ address, provider: config.llmProvider }, 'Parley is ready');
    } else {
      process.stdout.write(banner(config, address, databaseLine(config, this.database?.embeddedPort)));
    }
  }

  /** Closes the application within its grace period, disconnects from the database, then ends the process. */
  private stop(code: number): Promise<void> {
    this.stopping ??= (async () => {
      const graceMs = (this.config ?? defaultConfig()).shutdownGraceMs + CLOSE_MARGIN_MS;
      // A start in progress notices that the server is stopping, and ends at its next step.
      await within(graceMs, this.starting);
      await within(graceMs, this.app?.close());
      await this.database?.close();
      process.exit(code);
    })();
    return this.stopping;
  }

  private onSignal(): void {
    // Under npm one Ctrl-C arrives twice: from the terminal, and forwarded by npm.
    if (Date.now() - this.signalledAt < SAME_SIGNAL_MS) return;
    this.signalledAt = Date.now();
    if (this.stopping === undefined) void this.stop(0);
    else void within(HURRY_MS, this.database?.close()).then(() => process.exit(0));
  }

  private onCrash(error: unknown): void {
    const err = error instanceof Error ? error : new Error(String(error));
    createLog(this.config ?? defaultConfig()).fatal({ err }, 'Parley stops because of an uncaught error');
    // The state of the application is unknown now, so only the database is closed.
    if (this.database === undefined) process.exit(1);
    void this.database.close().then(() => process.exit(1));
  }

  private watchProcess(): void {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => this.onSignal());
    process.on('uncaughtException', (error) => this.onCrash(error));
    process.on('unhandledRejection', (error) => this.onCrash(error));
    // The reader of our output may end first; that must not crash the shutdown.
    for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
    if (this.env.npm_lifecycle_event !== undefined) this.watchParent();
  }

  /** When npm is killed outright, it forwards no signal, and this process would keep the port and the database. */
  private watchParent(): void {
    const parent = process.ppid;
    const timer = setInterval(() => {
      if (process.ppid === parent) return;
      clearInterval(timer);
      void this.stop(0);
    }, PARENT_POLL_MS);
    timer.unref();
  }
}

function checkTlsFiles({ tlsCertFile, tlsKeyFile }: AppConfig): void {
  if (tlsCertFile === undefined || tlsKeyFile === undefined) return;
  const read = (name: string, file: string): Buffer => {
    try {
      return readFileSync(file);
    } catch (error) {
      throw new Error(`${name}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`);
    }
  };
  const cert = read('TLS_CERT_FILE', tlsCertFile);
  const key = read('TLS_KEY_FILE', tlsKeyFile);
  try {
    createSecureContext({ cert, key });
  } catch (error) {
    throw new Error(
      `TLS_CERT_FILE and TLS_KEY_FILE: not a PEM certificate with its private key (${(error as Error).message})`,
    );
  }
}

/** Waits until `work` settles, but at most `ms`. */
async function within(ms: number, work: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([Promise.allSettled([work]), timeout]);
  clearTimeout(timer);
}
