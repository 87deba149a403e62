import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The ledger keeps the model that was asked for beside the name that answered: many servers answer under a name of their own
 * (a file, a deployment, a routed model), which no list of prices knows. When the answering name has no price, the price of
 * the asked model counts. Entries of the version before have null, and are read as if the answering name had been asked for.
 */
export class AskedModel1766000000000 implements MigrationInterface {
  name = 'AskedModel1766000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table usage_entries add column asked_model text');
    await runner.query('grant select (asked_model) on usage_entries to parley_system');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table usage_entries drop column asked_model');
  }
}
