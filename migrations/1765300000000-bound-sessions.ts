import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The policy of bound keys on sessions says the same as before in a form that PostgreSQL guesses better of. Of `a is null or
 * b = c` with values it can not know it expects one row in two hundred, so for a user with ten thousand sessions it read
 * and sorted all of them to show twenty. Of a `case` it expects one in two, and walks the index in the order of the list.
 */
export class BoundSessions1765300000000 implements MigrationInterface {
  name = 'BoundSessions1765300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter policy project on chat_sessions using (case when ${PROJECT} is null then true else project_id = ${PROJECT} end)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`alter policy project on chat_sessions using (${PROJECT} is null or project_id = ${PROJECT})`);
  }
}

const PROJECT = `(select nullif(current_setting('app.project_id', true), '')::uuid)`;
