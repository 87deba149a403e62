import { IsBoolean, IsOptional } from 'class-validator';
import { IsAddress, IsMilliseconds, IsWhole } from '../config/checks.js';
import { Variable } from '../config/variable.decorator.js';

/** The connection to PostgreSQL, and how long it keeps answers for idempotency keys. */
export class DatabaseConfig {
  static readonly title = 'Database';

  @Variable(
    'Address of PostgreSQL 15 or newer, with the login of the application. When empty, development starts an embedded PostgreSQL in DATA_DIR.',
    { secret: true },
  )
  @IsOptional()
  @IsAddress('postgres', 'postgresql')
  databaseUrl?: string;

  @Variable(
    'Address of the same database with the login that owns the tables; migrations use it. When empty, DATABASE_URL is the owner and the server switches to the role of the application.',
    { secret: true },
  )
  @IsOptional()
  @IsAddress('postgres', 'postgresql')
  databaseOwnerUrl?: string;

  @Variable(
    'Maximum number of database connections of one instance. A few are enough, because no connection is held while a model answers.',
  )
  @IsWhole(1, 200)
  databasePoolSize: number = 10;

  @Variable('Milliseconds that a request waits for a database connection before it is answered with 503.')
  @IsMilliseconds(100)
  databaseConnectTimeoutMs: number = 3000;

  @Variable('Milliseconds after which PostgreSQL cancels a statement.')
  @IsMilliseconds(100)
  databaseStatementTimeoutMs: number = 7000;

  @Variable('Hours for which the answer to a request with an Idempotency-Key is kept and repeated.')
  @IsWhole(24, 8760)
  idempotencyKeepHours: number = 24;

  @Variable(
    'Whether pending migrations run at start, on one instance at a time. With false, run `npm run migrate` before you start a new version.',
  )
  @IsBoolean()
  migrateOnStart: boolean = true;

  static problems({ databaseUrl, databaseOwnerUrl }: DatabaseConfig, isProduction: boolean): string[] {
    if (databaseUrl !== undefined) return [];
    return [
      ...(databaseOwnerUrl === undefined ? [] : ['DATABASE_URL: is required when DATABASE_OWNER_URL is set']),
      ...(isProduction ? ['DATABASE_URL: is required in production'] : []),
    ];
  }
}
