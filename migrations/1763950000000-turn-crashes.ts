import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who may run, and how often a turn may lose its instance.
 *
 * `is_running` becomes null for a turn that may neither run nor wait, which a named check refuses: so the policy of a
 * session is decided and enforced in the statement that opens the turn. `crashes` counts the instances that died with a
 * turn. `attempt` counts on with every change of hands, also when an instance that goes down hands the turn over, and a
 * turn that was only handed over must not be given up. Both changes leave room for servers of the version before.
 */
export class TurnCrashes1763950000000 implements MigrationInterface {
  name = 'TurnCrashes1763950000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table turns
        alter column is_running drop not null,
        add constraint ck_turns_admitted check (is_running is not null),
        add column crashes integer not null default 0`);
    await runner.query('grant update (crashes) on turns to parley_system');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      alter table turns
        drop column crashes,
        drop constraint ck_turns_admitted,
        alter column is_running set not null`);
  }
}
