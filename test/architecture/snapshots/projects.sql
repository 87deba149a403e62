-- ProjectsRepository.find
SELECT "Project"."user_id" AS "Project_user_id", "Project"."id" AS "Project_id", "Project"."name" AS "Project_name", "Project"."description" AS "Project_description", "Project"."provider" AS "Project_provider", "Project"."model" AS "Project_model", "Project"."fallbacks" AS "Project_fallbacks", "Project"."params" AS "Project_params", "Project"."on_conflict" AS "Project_on_conflict", "Project"."on_crash" AS "Project_on_crash", "Project"."retention_days" AS "Project_retention_days", "Project"."requests_per_minute" AS "Project_requests_per_minute", "Project"."tokens_per_minute" AS "Project_tokens_per_minute", "Project"."is_content_encrypted" AS "Project_is_content_encrypted", "Project"."context_overflow" AS "Project_context_overflow", "Project"."version" AS "Project_version", "Project"."created_at" AS "Project_created_at", "Project"."updated_at" AS "Project_updated_at"
FROM "projects" "Project"
WHERE (("Project"."user_id" = $1) AND ("Project"."id" = $2))
LIMIT 1;

-- ProjectsRepository.get
SELECT "Project"."user_id" AS "Project_user_id", "Project"."id" AS "Project_id", "Project"."name" AS "Project_name", "Project"."description" AS "Project_description", "Project"."provider" AS "Project_provider", "Project"."model" AS "Project_model", "Project"."fallbacks" AS "Project_fallbacks", "Project"."params" AS "Project_params", "Project"."on_conflict" AS "Project_on_conflict", "Project"."on_crash" AS "Project_on_crash", "Project"."retention_days" AS "Project_retention_days", "Project"."requests_per_minute" AS "Project_requests_per_minute", "Project"."tokens_per_minute" AS "Project_tokens_per_minute", "Project"."is_content_encrypted" AS "Project_is_content_encrypted", "Project"."context_overflow" AS "Project_context_overflow", "Project"."version" AS "Project_version", "Project"."created_at" AS "Project_created_at", "Project"."updated_at" AS "Project_updated_at"
FROM "projects" "Project"
WHERE (("Project"."user_id" = $1) AND ("Project"."id" = $2))
LIMIT 1;

-- ProjectsRepository.findForUpdate
SELECT "Project"."user_id" AS "Project_user_id", "Project"."id" AS "Project_id", "Project"."name" AS "Project_name", "Project"."description" AS "Project_description", "Project"."provider" AS "Project_provider", "Project"."model" AS "Project_model", "Project"."fallbacks" AS "Project_fallbacks", "Project"."params" AS "Project_params", "Project"."on_conflict" AS "Project_on_conflict", "Project"."on_crash" AS "Project_on_crash", "Project"."retention_days" AS "Project_retention_days", "Project"."requests_per_minute" AS "Project_requests_per_minute", "Project"."tokens_per_minute" AS "Project_tokens_per_minute", "Project"."is_content_encrypted" AS "Project_is_content_encrypted", "Project"."context_overflow" AS "Project_context_overflow", "Project"."version" AS "Project_version", "Project"."created_at" AS "Project_created_at", "Project"."updated_at" AS "Project_updated_at"
FROM "projects" "Project"
WHERE (("Project"."user_id" = $1) AND ("Project"."id" = $2))
LIMIT 1
FOR UPDATE;

-- ProjectsRepository.list
SELECT "Project"."user_id" AS "Project_user_id", "Project"."id" AS "Project_id", "Project"."name" AS "Project_name", "Project"."description" AS "Project_description", "Project"."provider" AS "Project_provider", "Project"."model" AS "Project_model", "Project"."fallbacks" AS "Project_fallbacks", "Project"."params" AS "Project_params", "Project"."on_conflict" AS "Project_on_conflict", "Project"."on_crash" AS "Project_on_crash", "Project"."retention_days" AS "Project_retention_days", "Project"."requests_per_minute" AS "Project_requests_per_minute", "Project"."tokens_per_minute" AS "Project_tokens_per_minute", "Project"."is_content_encrypted" AS "Project_is_content_encrypted", "Project"."context_overflow" AS "Project_context_overflow", "Project"."version" AS "Project_version", "Project"."created_at" AS "Project_created_at", "Project"."updated_at" AS "Project_updated_at"
FROM "projects" "Project"
WHERE (("Project"."user_id" = $1))
ORDER BY "Project"."id" DESC
LIMIT 21;

-- ProjectsRepository.list
SELECT "Project"."user_id" AS "Project_user_id", "Project"."id" AS "Project_id", "Project"."name" AS "Project_name", "Project"."description" AS "Project_description", "Project"."provider" AS "Project_provider", "Project"."model" AS "Project_model", "Project"."fallbacks" AS "Project_fallbacks", "Project"."params" AS "Project_params", "Project"."on_conflict" AS "Project_on_conflict", "Project"."on_crash" AS "Project_on_crash", "Project"."retention_days" AS "Project_retention_days", "Project"."requests_per_minute" AS "Project_requests_per_minute", "Project"."tokens_per_minute" AS "Project_tokens_per_minute", "Project"."is_content_encrypted" AS "Project_is_content_encrypted", "Project"."context_overflow" AS "Project_context_overflow", "Project"."version" AS "Project_version", "Project"."created_at" AS "Project_created_at", "Project"."updated_at" AS "Project_updated_at"
FROM "projects" "Project"
WHERE (("Project"."user_id" = $1) AND ("Project"."id" < $2))
ORDER BY "Project"."id" DESC
LIMIT 21;

-- ProjectsRepository.insert
INSERT INTO "projects"("user_id", "id", "name", "description", "provider", "model", "fallbacks", "params", "on_conflict", "on_crash", "retention_days", "requests_per_minute", "tokens_per_minute", "is_content_encrypted", "context_overflow", "version", "created_at", "updated_at")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, DEFAULT, DEFAULT, DEFAULT)
RETURNING "fallbacks", "params", "on_conflict", "on_crash", "is_content_encrypted", "context_overflow", "version", "created_at", "updated_at";

-- ProjectsRepository.update
UPDATE "projects"
SET "name" = $1, "params" = $2, "version" = "version" + 1, "updated_at" = now()
WHERE ("user_id" = $3 AND "id" = $4);

-- ProjectsRepository.remove
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
FROM "projects"
WHERE ("user_id" = $1 AND "id" = $2);

