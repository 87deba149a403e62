import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What a model was given to read, and what was left out, on the answer itself; and what a project wants done with history
 * that does not fit.
 *
 * `path_length` counts the messages from the beginning of the session to this one, along its branch, so that nobody has to
 * walk there to say how many were left out. Messages of before have none: it is counted when one of them is continued.
 * `error_detail` is a sentence of our own about an error, where the title does not say all. All columns leave room for
 * servers of the version before.
 */
export class ContextFacts1765100000000 implements MigrationInterface {
  name = 'ContextFacts1765100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
alter table messages add column path_length integer, add column context jsonb, add column error_detail text;
alter table projects add column context_overflow text not null default 'drop';
alter table projects add constraint ck_projects_context_overflow check (context_overflow in ('drop', 'summarise')) not valid;
alter table projects validate constraint ck_projects_context_overflow`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
alter table projects drop column context_overflow;
alter table messages drop column path_length, drop column context, drop column error_detail`);
  }
}
