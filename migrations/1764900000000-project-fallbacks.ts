import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who is asked in a project when its own provider fails: providers and models, in order. An array in the row, since they
 * are always read and written together with the project, in OPEN too.
 */
export class ProjectFallbacks1764900000000 implements MigrationInterface {
  name = 'ProjectFallbacks1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
alter table projects
  add column fallbacks jsonb not null default '[]',
  add constraint ck_projects_fallbacks
    check (case jsonb_typeof(fallbacks) when 'array' then jsonb_array_length(fallbacks) <= 5 else false end) not valid`);
    await runner.query('alter table projects validate constraint ck_projects_fallbacks');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table projects drop column fallbacks');
  }
}
