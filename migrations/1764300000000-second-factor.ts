import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The second factor of a user, if there is one: the secret that an authenticator app shares with us, encrypted by the
 * user's data key; the last time step of which a code was used, so that none is used twice; and the hashes of the recovery
 * codes that are left. Until it is confirmed by a first code it is only an offer and asks nothing of a sign-in.
 */
export class SecondFactor1764300000000 implements MigrationInterface {
  name = 'SecondFactor1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table second_factors (
  user_id uuid not null,
  secret bytea not null,
  last_step integer not null default 0,
  recovery_hashes bytea[] not null default '{}',
  confirmed_at timestamptz,
  created_at timestamptz not null default now(),
  constraint pk_second_factors primary key (user_id),
  constraint fk_second_factors_user_id foreign key (user_id) references users (id) on delete cascade,
  constraint ck_second_factors_recovery_hashes check (confirmed_at is not null or recovery_hashes = '{}')
);
alter table second_factors enable row level security, force row level security;
create policy tenant on second_factors to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
grant select, insert, update, delete on second_factors to parley_app`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table second_factors');
  }
}
