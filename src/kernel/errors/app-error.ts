import { ERROR_CATALOGUE, type ErrorCode, type ErrorDefinition } from './error-catalogue.js';

/** One invalid part of a request: a JSON pointer (RFC 6901) into the body, or `?name` for a query parameter. */
export interface FieldError {
  readonly pointer: string;
  readonly message: string;
}

export interface AppErrorOptions {
  /** One sentence for the client about this occurrence. Never provider text, never a secret. */
  readonly detail?: string;
  readonly errors?: readonly FieldError[];
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** Response headers besides `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Further members of the problem document (RFC 9457, 3.2). */
  readonly extensions?: Readonly<Record<string, string>>;
  /** For the log only. */
  readonly cause?: unknown;
}

/** The only error that features throw. Its code determines the status and the log level; see the catalogue. */
export class AppError extends Error {
  readonly detail: string | undefined;
  readonly errors: readonly FieldError[] | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly extensions: Readonly<Record<string, string>> | undefined;

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    super(options.detail ?? ERROR_CATALOGUE[code].title, { cause: options.cause });
    this.name = 'AppError';
    this.detail = options.detail;
    this.errors = options.errors;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers;
    this.extensions = options.extensions;
  }

  get definition(): ErrorDefinition {
    return ERROR_CATALOGUE[this.code];
  }

  /** A body field that breaks a rule which its DTO cannot express. */
  static invalid(pointer: string, message: string): AppError {
    return new AppError('validation_failed', { errors: [{ pointer, message }] });
  }

  /** A field of a body or a query that names something that does not exist for this user. */
  static notFound(pointer: string): AppError {
    return new AppError('not_found', { errors: [{ pointer, message: 'does not exist' }] });
  }
}
