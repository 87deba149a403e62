import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Summaries of the beginning of a session, made when its history gets too long for the model. One speaks of the whole path
 * up to a message and hangs on that message, so it counts for exactly the branches that go through it, and there is one at
 * most. A row without content is a claim of whoever is making the summary, and until it runs out nobody else does. Where a
 * project encrypts its content, `sealed` has the words and `content` is empty.
 */
export class SessionSummaries1765110000000 implements MigrationInterface {
  name = 'SessionSummaries1765110000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
create table session_summaries (
  user_id uuid not null,
  message_id uuid not null,
  session_id uuid not null,
  content text,
  sealed bytea,
  content_tokens integer,
  message_count integer,
  claimed_until timestamptz not null,
  created_at timestamptz not null default now(),
  constraint pk_session_summaries primary key (user_id, message_id),
  constraint fk_session_summaries_message_id foreign key (user_id, message_id)
    references messages (user_id, id) on delete cascade,
  constraint fk_session_summaries_session_id foreign key (user_id, session_id)
    references chat_sessions (user_id, id) on delete cascade,
  constraint ck_session_summaries_made
    check ((content is null) = (content_tokens is null) and (content is null) = (message_count is null)),
  constraint ck_session_summaries_sealed check (sealed is null or content = '')
);
create index ix_session_summaries_session_id on session_summaries (user_id, session_id);
alter table session_summaries enable row level security, force row level security;
create policy tenant on session_summaries to parley_app
  using (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid))
  with check (user_id = (select nullif(current_setting('app.user_id', true), '')::uuid));
create policy project on session_summaries as restrictive to parley_app
  using ((select nullif(current_setting('app.project_id', true), '')::uuid) is null or exists (
    select 1 from chat_sessions s where s.user_id = session_summaries.user_id and s.id = session_summaries.session_id));
grant select, insert, update, delete on session_summaries to parley_app`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop table session_summaries');
  }
}
