import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Two guesses made PostgreSQL expect a handful of sessions where a user has ten thousand, so it read and sorted all of them
 * to show twenty. Of a policy that says `a is null or b = c`, with values it can not know, it expects one row in two hundred;
 * of a `case` that says the same, one in two. And it takes user and project for independent, unless statistics tell it
 * that a project has one user; they count from the next ANALYZE on.
 */
export class BoundSessions1765300000000 implements MigrationInterface {
  name = 'BoundSessions1765300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `alter policy project on chat_sessions using (case when ${PROJECT} is null then true else project_id = ${PROJECT} end)`,
    );
    await runner.query(
      'create statistics st_chat_sessions_owner (dependencies) on user_id, project_id from chat_sessions',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop statistics st_chat_sessions_owner');
    await runner.query(`alter policy project on chat_sessions using (${PROJECT} is null or project_id = ${PROJECT})`);
  }
}

const PROJECT = `(select nullif(current_setting('app.project_id', true), '')::uuid)`;
