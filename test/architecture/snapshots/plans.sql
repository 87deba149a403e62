-- PlansRepository.find
SELECT "Plan"."name" AS "Plan_name", "Plan"."requests_per_minute" AS "Plan_requests_per_minute", "Plan"."tokens_per_minute" AS "Plan_tokens_per_minute", "Plan"."created_at" AS "Plan_created_at"
FROM "plans" "Plan"
WHERE (("Plan"."name" = $1))
LIMIT 1;

-- PlansRepository.list
SELECT "Plan"."name" AS "Plan_name", "Plan"."requests_per_minute" AS "Plan_requests_per_minute", "Plan"."tokens_per_minute" AS "Plan_tokens_per_minute", "Plan"."created_at" AS "Plan_created_at"
FROM "plans" "Plan"
ORDER BY "Plan"."name" ASC;

-- PlansRepository.put
INSERT INTO "plans"("name", "requests_per_minute", "tokens_per_minute", "created_at")
VALUES ($1, $2, $3, DEFAULT) ON CONFLICT ( "name" ) DO UPDATE
SET "name" = EXCLUDED."name", "requests_per_minute" = EXCLUDED."requests_per_minute", "tokens_per_minute" = EXCLUDED."tokens_per_minute"
RETURNING "created_at";

-- PlansRepository.listNames
begin; set local role parley_system;
select name from plans order by name;
commit;

