import { AppError, type AppErrorOptions } from '../../kernel/errors/app-error.js';
import type { ErrorCode } from '../../kernel/errors/error-catalogue.js';

const constraintCodes = new Map<string, ErrorCode>();

/**
 * Maps violated constraints to error codes, by the name of the constraint. The file that owns the table calls this when it is
 * loaded. A violated constraint without a code is a bug and becomes `internal_error`. Throws when a constraint is named
 * twice.
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
// 25P03 a transaction that the server ended because it was idle, 25006 a write on a server that has become read-only,
// 28 a refused login, 3D000 a missing database.
const UNAVAILABLE = /^(08|28|53|57P|57014|25P03|25006|3D000)/;
const NETWORK = /^(ECONN|EPIPE|ENOTFOUND|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|EAI_AGAIN)/;
// The driver reports these errors without a code.
const DRIVER =
  /timeout exceeded when trying to connect|Connection terminated|Query read timeout|not queryable|Cannot use a pool after calling end/i;

interface PgFacts {
  readonly code?: unknown;
  readonly constraint?: unknown;
  readonly message?: unknown;
  readonly detail?: unknown;
  readonly driverError?: PgFacts;
}

/** Maps an error of the driver to the catalogue. Returns an error that it does not know unchanged. */
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

/** The detail that one of our functions adds to its error code. PostgreSQL's own details contain values of rows. */
function told({ code, detail }: PgFacts): AppErrorOptions {
  if (typeof code !== 'string' || !code.startsWith(OWN_CLASS) || typeof detail !== 'string') return {};
  const { retryAfterSeconds, ...options } = JSON.parse(detail) as { retryAfterSeconds: number | null };
  return { ...options, retryAfterSeconds: retryAfterSeconds ?? undefined };
}

/** Whether a transaction gave up because of its own lock_timeout (55P03). */
export function isLockTimeout(error: unknown): boolean {
  const facts = (error ?? {}) as PgFacts;
  return (facts.driverError ?? facts).code === '55P03';
}

/** The project whose content must be encrypted but was not, if the database refused a write for this reason (PC001). */
export function refusedProject(error: unknown): string | null {
  const facts = (error ?? {}) as PgFacts;
  const { code, detail } = facts.driverError ?? facts;
  return code === 'PC001' && typeof detail === 'string' ? detail : null;
}
