import type { LoggerService } from '@nestjs/common';
import { type Logger, pino } from 'pino';
import type { ServerConfig } from '../config/server.config.js';

/** The values of these keys are not logged, wherever they appear in a log object, up to two levels deep. */
const SECRET_KEYS = [
  'password',
  'new_password',
  'current_password',
  'password_hash',
  'passwordHash',
  'token',
  'access_token',
  'refresh_token',
  'authorization',
  'cookie',
  'apiKey',
  'api_key',
  'secret',
  'databaseUrl',
  'databaseOwnerUrl',
  'redisUrl',
  'smtpUrl',
];

/** The logger of the server: pino, one JSON object per line. Secrets are removed by key. */
export function createLog(config: ServerConfig): Logger {
  return pino({
    level: config.logLevel,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: (error: unknown) => describeError(error) },
    redact: { paths: SECRET_KEYS.flatMap((key) => [key, `*.${key}`, `*.*.${key}`]), censor: '[secret]' },
  });
}

/** The fields of an error that are logged; others, such as a statement's parameters, may contain user input. */
const ERROR_FIELDS = ['code', 'severity', 'schema', 'table', 'column', 'constraint', 'routine', 'syscall'] as const;
const MAX_CAUSES = 5;

function describeError(error: unknown, causes = MAX_CAUSES): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' ? { type: 'object' } : { message: String(error) };
  const given = error as unknown as Record<string, unknown>;
  const facts = ERROR_FIELDS.filter((name) => ['string', 'number'].includes(typeof given[name]));
  // TypeORM wraps the driver's error, which knows table and constraint.
  const cause = error.cause ?? given.driverError;
  return {
    type: error.constructor.name,
    message: error.message,
    stack: error.stack,
    ...Object.fromEntries(facts.map((name) => [name, given[name]])),
    ...(cause === undefined || causes === 0 ? {} : { cause: describeError(cause, causes - 1) }),
  };
}

/** Nest's messages about its own start, which only help to debug the start. */
const START_CONTEXTS = new Set([
  'NestFactory',
  'InstanceLoader',
  'RoutesResolver',
  'RouterExplorer',
  'NestApplication',
]);

/** Nest's own logger, writing through pino: `log({ facts }, 'message', context)` or `log('message', context)`. */
export class PinoLogger implements LoggerService {
  constructor(private readonly pino: Logger) {}

  log(...given: unknown[]): void {
    this.write(START_CONTEXTS.has(given.at(-1) as string) ? 'debug' : 'info', given);
  }
  error(...given: unknown[]): void {
    this.write('error', given);
  }
  warn(...given: unknown[]): void {
    this.write('warn', given);
  }
  debug(...given: unknown[]): void {
    this.write('debug', given);
  }
  verbose(...given: unknown[]): void {
    this.write('trace', given);
  }
  fatal(...given: unknown[]): void {
    this.write('fatal', given);
  }

  /** Nest passes the logger's context as the last string. */
  private write(level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal', given: unknown[]): void {
    if (!this.pino.isLevelEnabled(level)) return;
    const texts = given.filter((part) => typeof part === 'string');
    const facts: Record<string, unknown> = {};
    for (const part of given) {
      if (part instanceof Error) facts.err = part;
      else if (typeof part === 'object' && part !== null) Object.assign(facts, part);
    }
    if (texts.length > 1) facts.context = texts.pop();
    this.pino[level](facts, texts.join(' '));
  }
}
