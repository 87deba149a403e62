import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Who is refused though a token says otherwise: users, sign-ins and API keys whose access ended before their access
 * tokens did. A row is needed only as long as such a token could live, so the table stays small.
 *
 * `user_id` has no foreign key: the mark of a deleted account must outlive it. `changed_xid` is the transaction that wrote
 * the row last; a reader that asks for those not yet over at its last look misses none, however late they commit and
 * whatever any clock says. `parley_system` reads the marks of all users and removes those that are over.
 */
export class Revocations1764000000000 implements MigrationInterface {
  name = 'Revocations1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table revocations (
  user_id uuid not null,
  subject_id uuid not null,
  is_revoked boolean not null default true,
  changed_xid xid8 not null default pg_current_xact_id(),
  expires_at timestamptz not null,
  constraint pk_revocations primary key (user_id, subject_id)
);
create index ix_revocations_changed_xid on revocations (changed_xid);
create index ix_revocations_expires_at on revocations (expires_at);
alter table revocations enable row level security, force row level security;
create policy tenant on revocations to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy watch on revocations for select to parley_system using (true);
create policy sweep on revocations for delete to parley_system using (true);
grant select, insert, update, delete on revocations to parley_app;
grant select, delete on revocations to parley_system`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table revocations');
  }
}
