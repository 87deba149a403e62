import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Administrators, and accounts that are disabled. The role is a column and not a part of the token, so that it ends when it
 * is taken away. `parley_system` finds accounts for them and adds up what was used: numbers of messages, never their text.
 */
export class Admin1764100100000 implements MigrationInterface {
  name = 'Admin1764100100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
alter table users add column role text not null default 'user', add column disabled_at timestamptz;
alter table users add constraint ck_users_role check (role in ('user', 'admin')) not valid;
alter table users validate constraint ck_users_role;
create index ix_users_email_prefix on users (email text_pattern_ops);
grant select (role, disabled_at, created_at) on users to parley_system;
grant select (role, input_tokens, output_tokens, cost_micro_usd) on messages to parley_system`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
revoke select (role, input_tokens, output_tokens, cost_micro_usd) on messages from parley_system;
revoke select (created_at) on users from parley_system;
drop index ix_users_email_prefix;
alter table users drop column role, drop column disabled_at`);
  }
}
