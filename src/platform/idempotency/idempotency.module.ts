import { Global, Module } from '@nestjs/common';
import { DatabaseConfig } from '../database/database.config.js';
import { Sweeps } from '../jobs/sweeps.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import { IdempotencyRepository } from './idempotency.repository.js';
import { IdempotentWrites } from './idempotent-writes.js';
import { nameConstraints } from '../database/pg-errors.js';

nameConstraints({
  pk_idempotency_keys: 'idempotency_key_in_use',
  // The account was deleted during the request.
  fk_idempotency_keys_user_id: 'unauthenticated',
});

const SWEEP_MS = 3_600_000;

@Global()
@Module({
  providers: [IdempotencyKeys, IdempotencyRepository, IdempotentWrites],
  exports: [IdempotencyKeys, IdempotencyRepository, IdempotentWrites],
})
export class IdempotencyModule {
  constructor(sweeps: Sweeps, keys: IdempotencyRepository, config: DatabaseConfig) {
    sweeps.every(SWEEP_MS, 'Old idempotency keys were not removed', () => keys.sweep(config.idempotencyKeepHours));
  }
}
