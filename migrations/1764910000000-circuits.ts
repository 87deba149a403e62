import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What is not called for the moment because it fails, known to all instances: a row a circuit that was opened, of nobody's.
 * Its key is a hash, since what is called may bear a name that a user gave. `changed_xid` is the transaction that wrote the
 * row last, as in `revocations`; `told_by` is the
 * instance, which need not hear itself. Unlogged: after a crash of PostgreSQL each instance finds out anew. Only `parley_system`
 * reaches it.
 */
export class Circuits1764910000000 implements MigrationInterface {
  name = 'Circuits1764910000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create unlogged table circuits (
  key text not null,
  is_open boolean not null,
  open_until timestamptz not null,
  told_by uuid not null,
  changed_xid xid8 not null default pg_current_xact_id(),
  constraint pk_circuits primary key (key)
);
create index ix_circuits_changed_xid on circuits (changed_xid);
grant select, insert, update, delete on circuits to parley_system`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table circuits');
  }
}
