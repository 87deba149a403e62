import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What is left of an erased account: that it was erased, when, and how many rows of each table went. It says of nobody who
 * it was: `subject` is a keyed hash of the user's id, by which somebody who knows the id and the key can tell, and
 * `signature` shows that the server has written it. Rows are added and read, never changed.
 */
export class ErasureReceipts1764500000000 implements MigrationInterface {
  name = 'ErasureReceipts1764500000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table erasure_receipts (
  id uuid not null,
  erased_at timestamptz(3) not null,
  subject bytea not null,
  counts jsonb not null,
  audit_seq integer not null,
  audit_hash bytea not null,
  signature bytea not null,
  constraint pk_erasure_receipts primary key (id)
);
grant select, insert on erasure_receipts to parley_app`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table erasure_receipts');
  }
}
