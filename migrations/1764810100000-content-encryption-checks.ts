import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The checks of the migration before, for the rows that there were: a look at all of them, during which everybody works on. */
export class ContentEncryptionChecks1764810100000 implements MigrationInterface {
  name = 'ContentEncryptionChecks1764810100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
alter table messages validate constraint ck_messages_sealed;
alter table messages validate constraint ck_messages_sealed_comment;
alter table turn_chunks validate constraint ck_turn_chunks_sealed`);
  }

  async down(): Promise<void> {
    // They go with their columns.
  }
}
