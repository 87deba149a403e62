-- PromptsRepository.find
SELECT "Prompt"."user_id" AS "Prompt_user_id", "Prompt"."id" AS "Prompt_id", "Prompt"."project_id" AS "Prompt_project_id", "Prompt"."name" AS "Prompt_name", "Prompt"."content" AS "Prompt_content", "Prompt"."content_tokens" AS "Prompt_content_tokens", "Prompt"."position" AS "Prompt_position", "Prompt"."version" AS "Prompt_version", "Prompt"."created_at" AS "Prompt_created_at", "Prompt"."updated_at" AS "Prompt_updated_at"
FROM "prompts" "Prompt"
WHERE (("Prompt"."user_id" = $1) AND ("Prompt"."id" = $2))
LIMIT 1;

-- PromptsRepository.get
SELECT "Prompt"."user_id" AS "Prompt_user_id", "Prompt"."id" AS "Prompt_id", "Prompt"."project_id" AS "Prompt_project_id", "Prompt"."name" AS "Prompt_name", "Prompt"."content" AS "Prompt_content", "Prompt"."content_tokens" AS "Prompt_content_tokens", "Prompt"."position" AS "Prompt_position", "Prompt"."version" AS "Prompt_version", "Prompt"."created_at" AS "Prompt_created_at", "Prompt"."updated_at" AS "Prompt_updated_at"
FROM "prompts" "Prompt"
WHERE (("Prompt"."user_id" = $1) AND ("Prompt"."id" = $2))
LIMIT 1;

-- PromptsRepository.findForUpdate
SELECT "Prompt"."user_id" AS "Prompt_user_id", "Prompt"."id" AS "Prompt_id", "Prompt"."project_id" AS "Prompt_project_id", "Prompt"."name" AS "Prompt_name", "Prompt"."content" AS "Prompt_content", "Prompt"."content_tokens" AS "Prompt_content_tokens", "Prompt"."position" AS "Prompt_position", "Prompt"."version" AS "Prompt_version", "Prompt"."created_at" AS "Prompt_created_at", "Prompt"."updated_at" AS "Prompt_updated_at"
FROM "prompts" "Prompt"
WHERE (("Prompt"."user_id" = $1) AND ("Prompt"."id" = $2))
LIMIT 1
FOR UPDATE;

-- PromptsRepository.list
SELECT "Prompt"."user_id" AS "Prompt_user_id", "Prompt"."id" AS "Prompt_id", "Prompt"."project_id" AS "Prompt_project_id", "Prompt"."name" AS "Prompt_name", "Prompt"."content" AS "Prompt_content", "Prompt"."content_tokens" AS "Prompt_content_tokens", "Prompt"."position" AS "Prompt_position", "Prompt"."version" AS "Prompt_version", "Prompt"."created_at" AS "Prompt_created_at", "Prompt"."updated_at" AS "Prompt_updated_at"
FROM "prompts" "Prompt"
WHERE (("Prompt"."user_id" = $1) AND ("Prompt"."project_id" = $2) AND ("Prompt"."position" > $3))
ORDER BY "Prompt"."position" ASC
LIMIT 21;

-- PromptsRepository.insert
INSERT INTO "prompts"("user_id", "id", "project_id", "name", "content", "content_tokens", "position", "version", "created_at", "updated_at")
VALUES ($1, $2, $3, $4, $5, $6, $7, DEFAULT, DEFAULT, DEFAULT)
RETURNING "version", "created_at", "updated_at";

-- PromptsRepository.update
UPDATE "prompts"
SET "content" = $1, "content_tokens" = $2, "version" = "version" + 1, "updated_at" = now()
WHERE ("user_id" = $3 AND "id" = $4);

-- PromptsRepository.reorder
update prompts p set position = o.position, version = p.version + 1, updated_at = now()
from (select id, (ordinality - 1)::int as position from unnest($3::uuid[]) with ordinality as t(id)) o
where p.user_id = $1 and p.project_id = $2 and p.id = o.id and p.position <> o.position;

-- PromptsRepository.remove
DELETE
FROM "prompts"
WHERE ("user_id" = $1 AND "id" = $2);

