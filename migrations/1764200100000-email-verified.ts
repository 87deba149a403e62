import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * When a user has shown that the e-mail address is hers: by a token from a mail, be it for verification or for a reset of the
 * password. Accounts from before are not verified. `parley_system` reads it too, because a sign-in asks for it.
 */
export class EmailVerified1764200100000 implements MigrationInterface {
  name = 'EmailVerified1764200100000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('alter table users add column email_verified_at timestamptz');
    await runner.query('grant select (email_verified_at) on users to parley_system');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table users drop column email_verified_at');
  }
}
