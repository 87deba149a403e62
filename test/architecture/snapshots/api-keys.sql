-- ApiKeysRepository.insert
INSERT INTO "api_keys"("user_id", "id", "name", "prefix", "key_hash", "scopes", "project_id", "requests_per_minute", "tokens_per_minute", "created_at", "last_used_at", "expires_at")
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, DEFAULT, DEFAULT, $10)
RETURNING "created_at";

-- ApiKeysRepository.find
SELECT "ApiKey"."user_id" AS "ApiKey_user_id", "ApiKey"."id" AS "ApiKey_id", "ApiKey"."name" AS "ApiKey_name", "ApiKey"."prefix" AS "ApiKey_prefix", "ApiKey"."key_hash" AS "ApiKey_key_hash", "ApiKey"."scopes" AS "ApiKey_scopes", "ApiKey"."project_id" AS "ApiKey_project_id", "ApiKey"."requests_per_minute" AS "ApiKey_requests_per_minute", "ApiKey"."tokens_per_minute" AS "ApiKey_tokens_per_minute", "ApiKey"."created_at" AS "ApiKey_created_at", "ApiKey"."last_used_at" AS "ApiKey_last_used_at", "ApiKey"."expires_at" AS "ApiKey_expires_at"
FROM "api_keys" "ApiKey"
WHERE (("ApiKey"."user_id" = $1) AND ("ApiKey"."id" = $2))
LIMIT 1;

-- ApiKeysRepository.removeAll
with gone as (delete from api_keys where user_id = $1 returning id) select id from gone;

-- ApiKeysRepository.list
SELECT "ApiKey"."user_id" AS "ApiKey_user_id", "ApiKey"."id" AS "ApiKey_id", "ApiKey"."name" AS "ApiKey_name", "ApiKey"."prefix" AS "ApiKey_prefix", "ApiKey"."key_hash" AS "ApiKey_key_hash", "ApiKey"."scopes" AS "ApiKey_scopes", "ApiKey"."project_id" AS "ApiKey_project_id", "ApiKey"."requests_per_minute" AS "ApiKey_requests_per_minute", "ApiKey"."tokens_per_minute" AS "ApiKey_tokens_per_minute", "ApiKey"."created_at" AS "ApiKey_created_at", "ApiKey"."last_used_at" AS "ApiKey_last_used_at", "ApiKey"."expires_at" AS "ApiKey_expires_at"
FROM "api_keys" "ApiKey"
WHERE (("ApiKey"."user_id" = $1))
ORDER BY "ApiKey"."id" DESC
LIMIT 21;

-- ApiKeysRepository.list
SELECT "ApiKey"."user_id" AS "ApiKey_user_id", "ApiKey"."id" AS "ApiKey_id", "ApiKey"."name" AS "ApiKey_name", "ApiKey"."prefix" AS "ApiKey_prefix", "ApiKey"."key_hash" AS "ApiKey_key_hash", "ApiKey"."scopes" AS "ApiKey_scopes", "ApiKey"."project_id" AS "ApiKey_project_id", "ApiKey"."requests_per_minute" AS "ApiKey_requests_per_minute", "ApiKey"."tokens_per_minute" AS "ApiKey_tokens_per_minute", "ApiKey"."created_at" AS "ApiKey_created_at", "ApiKey"."last_used_at" AS "ApiKey_last_used_at", "ApiKey"."expires_at" AS "ApiKey_expires_at"
FROM "api_keys" "ApiKey"
WHERE (("ApiKey"."user_id" = $1) AND ("ApiKey"."id" < $2))
ORDER BY "ApiKey"."id" DESC
LIMIT 21;

-- ApiKeysRepository.remove
DELETE
FROM "api_keys"
WHERE ("user_id" = $1 AND "id" = $2);

-- ApiKeysRepository.findByHash
begin; set local role parley_system;
select k.user_id as "userId", k.id, k.scopes, k.project_id as "projectId", k.expires_at as "expiresAt"
from api_keys k join users u on u.id = k.user_id where k.key_hash = $1 and u.disabled_at is null;
commit;

-- ApiKeysRepository.markUsed
begin; set local role parley_system;
update api_keys k set last_used_at = greatest(k.last_used_at, u.at)
from (select unnest($1::uuid[]) as user_id, unnest($2::uuid[]) as id, unnest($3::timestamptz[]) as at) u
where k.user_id = u.user_id and k.id = u.id;
commit;

