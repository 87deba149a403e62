import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * One data key a user, for what is stored encrypted: the key is itself encrypted by a master key of the configuration. It
 * goes with its user, and with it goes all that it encrypts, in every backup too.
 *
 * `parley_system` learns whose key an older master key wraps, which is what a rotation has to find; it can not read a key.
 */
export class DataKeys1764400000000 implements MigrationInterface {
  name = 'DataKeys1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table data_keys (
  user_id uuid not null,
  wrapped_key bytea not null,
  master_version integer not null,
  created_at timestamptz not null default now(),
  constraint pk_data_keys primary key (user_id),
  constraint fk_data_keys_user_id foreign key (user_id) references users (id) on delete cascade
);
alter table data_keys enable row level security, force row level security;
create policy tenant on data_keys to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy rotate_find on data_keys for select to parley_system using (true);
grant select, insert, update, delete on data_keys to parley_app;
grant select (user_id, master_version) on data_keys to parley_system`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table data_keys');
  }
}
