import type { DataSourceOptions, MixedList } from 'typeorm';
import { DataSource } from 'typeorm';
import { Init1763900000000 } from '../../../migrations/1763900000000-init.js';
import { TurnCrashes1763950000000 } from '../../../migrations/1763950000000-turn-crashes.js';
import { Revocations1764000000000 } from '../../../migrations/1764000000000-revocations.js';
import { ApiKeys1764000100000 } from '../../../migrations/1764000100000-api-keys.js';
import { BoundToProject1764000200000 } from '../../../migrations/1764000200000-bound-to-project.js';
import { Audit1764100000000 } from '../../../migrations/1764100000000-audit.js';
import { Admin1764100100000 } from '../../../migrations/1764100100000-admin.js';
import { RateLimits1764200000000 } from '../../../migrations/1764200000000-rate-limits.js';
import { EmailVerified1764200100000 } from '../../../migrations/1764200100000-email-verified.js';
import { SecondFactor1764300000000 } from '../../../migrations/1764300000000-second-factor.js';
import { DataKeys1764400000000 } from '../../../migrations/1764400000000-data-keys.js';
import { ProviderKeys1764400100000 } from '../../../migrations/1764400100000-provider-keys.js';
import { ErasureReceipts1764500000000 } from '../../../migrations/1764500000000-erasure-receipts.js';
import { TurnLimits1764700000000 } from '../../../migrations/1764700000000-turn-limits.js';
import { Retention1764800000000 } from '../../../migrations/1764800000000-retention.js';
import { ContentEncryption1764810000000 } from '../../../migrations/1764810000000-content-encryption.js';
import { ContentEncryptionChecks1764810100000 } from '../../../migrations/1764810100000-content-encryption-checks.js';
import { ProjectFallbacks1764900000000 } from '../../../migrations/1764900000000-project-fallbacks.js';
import { Circuits1764910000000 } from '../../../migrations/1764910000000-circuits.js';
import { UsageLedger1765000000000 } from '../../../migrations/1765000000000-usage-ledger.js';
import { Budgets1765010000000 } from '../../../migrations/1765010000000-budgets.js';
import { ContextFacts1765100000000 } from '../../../migrations/1765100000000-context-facts.js';
import { SessionSummaries1765110000000 } from '../../../migrations/1765110000000-session-summaries.js';
import { TurnStatements1765200000000 } from '../../../migrations/1765200000000-turn-statements.js';
import { BoundSessions1765300000000 } from '../../../migrations/1765300000000-bound-sessions.js';
import { AskedModel1766000000000 } from '../../../migrations/1766000000000-asked-model.js';
import type { DatabaseConfig } from './database.config.js';

/** The role all queries run as; it owns nothing and is subject to row-level security. */
export const APP_ROLE = 'parley_app';
/** The role of the few jobs that look across tenants. */
export const SYSTEM_ROLE = 'parley_system';
/** All migrations, oldest first. */
export const MIGRATIONS = [
  Init1763900000000,
  TurnCrashes1763950000000,
  Revocations1764000000000,
  ApiKeys1764000100000,
  BoundToProject1764000200000,
  Audit1764100000000,
  Admin1764100100000,
  RateLimits1764200000000,
  EmailVerified1764200100000,
  SecondFactor1764300000000,
  DataKeys1764400000000,
  ProviderKeys1764400100000,
  ErasureReceipts1764500000000,
  TurnLimits1764700000000,
  Retention1764800000000,
  ContentEncryption1764810000000,
  ContentEncryptionChecks1764810100000,
  ProjectFallbacks1764900000000,
  Circuits1764910000000,
  UsageLedger1765000000000,
  Budgets1765010000000,
  ContextFacts1765100000000,
  SessionSummaries1765110000000,
  TurnStatements1765200000000,
  BoundSessions1765300000000,
  AskedModel1766000000000,
];
export const MIGRATIONS_TABLE = 'schema_migrations';

type Entities = MixedList<new () => unknown>;

const shared = {
  type: 'postgres',
  migrations: MIGRATIONS,
  migrationsTableName: MIGRATIONS_TABLE,
  migrationsTransactionMode: 'each',
  synchronize: false,
  installExtensions: false,
  logging: false,
} as const satisfies Partial<DataSourceOptions>;

/** The application's pool: every connection starts as `parley_app`, whoever logs in, so no query ever runs as an owner. */
export function appDataSource(
  config: DatabaseConfig,
  entities: Entities,
  onIdleError: (error: Error) => void,
): DataSource {
  return new DataSource({
    ...shared,
    url: config.databaseUrl,
    entities,
    poolSize: config.databasePoolSize,
    connectTimeoutMS: config.databaseConnectTimeoutMs,
    applicationName: 'parley',
    poolErrorHandler: onIdleError,
    extra: {
      pipeline: true,
      keepAlive: true,
      options: `-c role=${APP_ROLE} -c jit=off`,
      statement_timeout: config.databaseStatementTimeoutMs,
      idle_in_transaction_session_timeout: config.databaseStatementTimeoutMs,
      // Client-side net under the server's own timeout: a dead connection must not hold its caller for ever.
      query_timeout: config.databaseStatementTimeoutMs + 1000,
      idleTimeoutMillis: 30_000,
      maxLifetimeSeconds: 1800,
    },
  });
}

/** A waiting ALTER TABLE makes everybody wait who comes after it: for no longer than this, then it gives way. */
const MIGRATION_LOCK_TIMEOUT_MS = 1000;
/** A statement that takes longer will not end by itself. */
const MIGRATION_STATEMENT_TIMEOUT_MS = 1_800_000;

/** Connections as the owner of the tables, for migrations only. */
export function ownerDataSource(url: string, entities: Entities = []): DataSource {
  return new DataSource({
    ...shared,
    url,
    entities,
    poolSize: 2,
    connectTimeoutMS: 5000,
    applicationName: 'parley-migrate',
    extra: { lock_timeout: MIGRATION_LOCK_TIMEOUT_MS, statement_timeout: MIGRATION_STATEMENT_TIMEOUT_MS },
  });
}
