import { AppError, type AppErrorOptions } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';

const constraintCodes = new Map<string, ErrorCode>();

/**
 * Says what a violated constraint means to a client, by the name of the constraint. The file that owns the table calls this
 * when it is loaded. A constraint that nobody has named is a bug and becomes `internal_error`. Throws when a constraint is
 * named twice.
 */
export function nameConstraints(codes: Readonly<Record<string, ErrorCode>>): void {
  for (const [constraint, code] of Object.entries(codes)) {
    if (constraintCodes.has(constraint)) throw new Error(`the constraint ${constraint} is named twice`);
    constraintCodes.set(constraint, code);
  }
}

// The class of SQLSTATEs that our own functions raise.
const OWN_CLASS = 'PY';

// SQLSTATE classes of https://www.postgresql.org/docs/current/errcodes-appendix.html:
// 08 connection, 53 resources, 57P operator intervention; 57014 is a statement cancelled by its timeout,
// 25P03 a transaction ended by the server for idling, 25006 a write on a server that has become read-only,
// 28 a login that is refused, 3D000 a database that is not there.
const UNAVAILABLE = /^(08|28|53|57P|57014|25P03|25006|3D000)/;
const NETWORK = /^(ECONN|EPIPE|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN)/;
// The driver reports these by their words alone.
const DRIVER =
  /timeout exceeded when trying to connect|Connection terminated|Query read timeout|not queryable|Cannot use a pool after calling end/i;

interface PgFacts {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
  readonly detail?: unknown;
  readonly driverError?: PgFacts;
}

/** Turns a driver's error into the catalogue's, or gives back what it does not know. */
export function fromPgError(error: unknown): unknown {
  if (error instanceof AppError || typeof error !== 'object' || error === null) return error;
  const facts: PgFacts = (error as PgFacts).driverError ?? (error as PgFacts);
  const code = typeof facts.code === 'string' ? facts.code : '';
  const constraint = typeof facts.constraint === 'string' ? constraintCodes.get(facts.constraint) : undefined;
  if (constraint !== undefined) return new AppError(constraint, { ...told(facts), cause: error });
  const message = typeof facts.message === 'string' ? facts.message : '';
  if (UNAVAILABLE.test(code) || NETWORK.test(code) || DRIVER.test(message)) {
    return new AppError('database_unavailable', { retryAfterSeconds: 1, cause: error });
  }
  return error;
}

/** What a function of ours says to the client beside the code, when it refuses; PostgreSQL's own details have values of rows. */
function told({ code, detail }: PgFacts): AppErrorOptions {
  if (typeof code !== 'string' || !code.startsWith(OWN_CLASS) || typeof detail !== 'string') return {};
  const { retryAfterSeconds, ...options } = JSON.parse(detail) as { retryAfterSeconds: number | null };
  return { ...options, retryAfterSeconds: retryAfterSeconds ?? undefined };
}

/** Whether a transaction gave way because it set itself a lock_timeout (55P03). */
export function isLockTimeout(error: unknown): boolean {
  const facts = (error ?? {}) as PgFacts;
  return (facts.driverError ?? facts).code === '55P03';
}

/** The project for which content was not sealed as it has to be, when that is what the database has refused (PC001). */
export function refusedProject(error: unknown): string | null {
  const facts = (error ?? {}) as PgFacts;
  const { code, detail } = facts.driverError ?? facts;
  return code === 'PC001' && typeof detail === 'string' ? detail : null;
}
