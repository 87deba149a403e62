-- SessionsRepository.find
SELECT "ChatSession"."user_id" AS "ChatSession_user_id", "ChatSession"."id" AS "ChatSession_id", "ChatSession"."project_id" AS "ChatSession_project_id", "ChatSession"."title" AS "ChatSession_title", "ChatSession"."is_title_given" AS "ChatSession_is_title_given", "ChatSession"."metadata" AS "ChatSession_metadata", "ChatSession"."archived_at" AS "ChatSession_archived_at", "ChatSession"."pinned_at" AS "ChatSession_pinned_at", "ChatSession"."last_seq" AS "ChatSession_last_seq", "ChatSession"."last_message_id" AS "ChatSession_last_message_id", "ChatSession"."is_branched" AS "ChatSession_is_branched", "ChatSession"."last_active_at" AS "ChatSession_last_active_at", "ChatSession"."version" AS "ChatSession_version", "ChatSession"."created_at" AS "ChatSession_created_at"
FROM "chat_sessions" "ChatSession"
WHERE (("ChatSession"."user_id" = $1) AND ("ChatSession"."id" = $2))
LIMIT 1;

-- SessionsRepository.get
SELECT "ChatSession"."user_id" AS "ChatSession_user_id", "ChatSession"."id" AS "ChatSession_id", "ChatSession"."project_id" AS "ChatSession_project_id", "ChatSession"."title" AS "ChatSession_title", "ChatSession"."is_title_given" AS "ChatSession_is_title_given", "ChatSession"."metadata" AS "ChatSession_metadata", "ChatSession"."archived_at" AS "ChatSession_archived_at", "ChatSession"."pinned_at" AS "ChatSession_pinned_at", "ChatSession"."last_seq" AS "ChatSession_last_seq", "ChatSession"."last_message_id" AS "ChatSession_last_message_id", "ChatSession"."is_branched" AS "ChatSession_is_branched", "ChatSession"."last_active_at" AS "ChatSession_last_active_at", "ChatSession"."version" AS "ChatSession_version", "ChatSession"."created_at" AS "ChatSession_created_at"
FROM "chat_sessions" "ChatSession"
WHERE (("ChatSession"."user_id" = $1) AND ("ChatSession"."id" = $2))
LIMIT 1;

-- SessionsRepository.findForUpdate
SELECT "ChatSession"."user_id" AS "ChatSession_user_id", "ChatSession"."id" AS "ChatSession_id", "ChatSession"."project_id" AS "ChatSession_project_id", "ChatSession"."title" AS "ChatSession_title", "ChatSession"."is_title_given" AS "ChatSession_is_title_given", "ChatSession"."metadata" AS "ChatSession_metadata", "ChatSession"."archived_at" AS "ChatSession_archived_at", "ChatSession"."pinned_at" AS "ChatSession_pinned_at", "ChatSession"."last_seq" AS "ChatSession_last_seq", "ChatSession"."last_message_id" AS "ChatSession_last_message_id", "ChatSession"."is_branched" AS "ChatSession_is_branched", "ChatSession"."last_active_at" AS "ChatSession_last_active_at", "ChatSession"."version" AS "ChatSession_version", "ChatSession"."created_at" AS "ChatSession_created_at"
FROM "chat_sessions" "ChatSession"
WHERE (("ChatSession"."user_id" = $1) AND ("ChatSession"."id" = $2))
LIMIT 1
FOR UPDATE;

-- SessionsRepository.list
SELECT "s"."user_id" AS "s_user_id", "s"."id" AS "s_id", "s"."project_id" AS "s_project_id", "s"."title" AS "s_title", "s"."is_title_given" AS "s_is_title_given", "s"."metadata" AS "s_metadata", "s"."archived_at" AS "s_archived_at", "s"."pinned_at" AS "s_pinned_at", "s"."last_seq" AS "s_last_seq", "s"."last_message_id" AS "s_last_message_id", "s"."is_branched" AS "s_is_branched", "s"."last_active_at" AS "s_last_active_at", "s"."version" AS "s_version", "s"."created_at" AS "s_created_at"
FROM "chat_sessions" "s"
WHERE "s"."user_id" = $1 and "s"."project_id" = $2
ORDER BY "s"."last_active_at" DESC, "s"."id" DESC
LIMIT 21;

-- SessionsRepository.list
SELECT "s"."user_id" AS "s_user_id", "s"."id" AS "s_id", "s"."project_id" AS "s_project_id", "s"."title" AS "s_title", "s"."is_title_given" AS "s_is_title_given", "s"."metadata" AS "s_metadata", "s"."archived_at" AS "s_archived_at", "s"."pinned_at" AS "s_pinned_at", "s"."last_seq" AS "s_last_seq", "s"."last_message_id" AS "s_last_message_id", "s"."is_branched" AS "s_is_branched", "s"."last_active_at" AS "s_last_active_at", "s"."version" AS "s_version", "s"."created_at" AS "s_created_at"
FROM "chat_sessions" "s"
WHERE "s"."user_id" = $1 and "s"."project_id" = $2 AND "s"."archived_at" is not null
ORDER BY "s"."last_active_at" DESC, "s"."id" DESC
LIMIT 21;

-- SessionsRepository.list
SELECT "s"."user_id" AS "s_user_id", "s"."id" AS "s_id", "s"."project_id" AS "s_project_id", "s"."title" AS "s_title", "s"."is_title_given" AS "s_is_title_given", "s"."metadata" AS "s_metadata", "s"."archived_at" AS "s_archived_at", "s"."pinned_at" AS "s_pinned_at", "s"."last_seq" AS "s_last_seq", "s"."last_message_id" AS "s_last_message_id", "s"."is_branched" AS "s_is_branched", "s"."last_active_at" AS "s_last_active_at", "s"."version" AS "s_version", "s"."created_at" AS "s_created_at"
FROM "chat_sessions" "s"
WHERE "s"."user_id" = $1 and "s"."project_id" = $2 AND position(lower($3) in lower("s"."title")) > 0 AND "s"."archived_at" is null AND (("s"."last_active_at", "s"."id") < ($4::timestamptz, $5::uuid))
ORDER BY "s"."last_active_at" DESC, "s"."id" DESC
LIMIT 21;

-- SessionsRepository.insert
INSERT INTO "chat_sessions"("user_id", "id", "project_id", "title", "is_title_given", "metadata", "archived_at", "pinned_at", "last_seq", "last_message_id", "is_branched", "last_active_at", "version", "created_at")
VALUES ($1, $2, $3, $4, DEFAULT, $5, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT)
RETURNING "is_title_given", "metadata", "last_seq", "is_branched", "last_active_at", "version", "created_at";

-- SessionsRepository.update
UPDATE "chat_sessions"
SET "title" = $1, "archived_at" = now(), "pinned_at" = now(), "is_title_given" = $2, "version" = "version" + 1
WHERE ("user_id" = $3 AND "id" = $4);

-- SessionsRepository.update
UPDATE "chat_sessions"
SET "metadata" = $1, "archived_at" = $2, "pinned_at" = $3, "version" = "version" + 1
WHERE ("user_id" = $4 AND "id" = $5);

-- SessionsRepository.suggestTitle
UPDATE "chat_sessions"
SET "title" = $1
WHERE ("user_id" = $2 AND "id" = $3 AND "is_title_given" = $4);

-- SessionsRepository.remove
select id from chat_sessions
where user_id = $1 and ($2::uuid is null or project_id = $2) and ($3::uuid is null or id = $3)
order by id for update;
with doomed as materialized (
  select message_id from turns where user_id = $1 and session_id = any ($2::uuid[]) order by message_id for update
), removed as (
  delete from turns where user_id = $1 and message_id = any (array(select message_id from doomed))
  returning owner, is_running
)
select pg_notify('parley_turns', 'stop ' || owner) from (select distinct owner from removed where is_running) o;
DELETE
FROM "chat_sessions"
WHERE ("user_id" = $1 AND "id" = $2);

