-- SignInsRepository.insert
INSERT INTO "sign_ins"("user_id", "id", "seed", "generation", "user_agent", "created_at", "last_used_at", "expires_at", "revoked_at")
VALUES ($1, $2, $3, DEFAULT, $4, DEFAULT, DEFAULT, $5, DEFAULT)
RETURNING "generation", "created_at", "last_used_at";

-- SignInsRepository.find
SELECT "SignIn"."user_id" AS "SignIn_user_id", "SignIn"."id" AS "SignIn_id", "SignIn"."seed" AS "SignIn_seed", "SignIn"."generation" AS "SignIn_generation", "SignIn"."user_agent" AS "SignIn_user_agent", "SignIn"."created_at" AS "SignIn_created_at", "SignIn"."last_used_at" AS "SignIn_last_used_at", "SignIn"."expires_at" AS "SignIn_expires_at", "SignIn"."revoked_at" AS "SignIn_revoked_at"
FROM "sign_ins" "SignIn"
WHERE (("SignIn"."user_id" = $1) AND ("SignIn"."id" = $2))
LIMIT 1;

-- SignInsRepository.advance
UPDATE "sign_ins"
SET "generation" = $1, "expires_at" = $2, "last_used_at" = now()
WHERE ("user_id" = $3 AND "id" = $4 AND "generation" = $5 AND "revoked_at" IS NULL);

-- SignInsRepository.list
SELECT "SignIn"."user_id" AS "SignIn_user_id", "SignIn"."id" AS "SignIn_id", "SignIn"."seed" AS "SignIn_seed", "SignIn"."generation" AS "SignIn_generation", "SignIn"."user_agent" AS "SignIn_user_agent", "SignIn"."created_at" AS "SignIn_created_at", "SignIn"."last_used_at" AS "SignIn_last_used_at", "SignIn"."expires_at" AS "SignIn_expires_at", "SignIn"."revoked_at" AS "SignIn_revoked_at"
FROM "sign_ins" "SignIn"
WHERE (("SignIn"."user_id" = $1) AND ("SignIn"."revoked_at" IS NULL) AND ("SignIn"."expires_at" > now()))
ORDER BY "SignIn"."id" DESC
LIMIT 21;

-- SignInsRepository.list
SELECT "SignIn"."user_id" AS "SignIn_user_id", "SignIn"."id" AS "SignIn_id", "SignIn"."seed" AS "SignIn_seed", "SignIn"."generation" AS "SignIn_generation", "SignIn"."user_agent" AS "SignIn_user_agent", "SignIn"."created_at" AS "SignIn_created_at", "SignIn"."last_used_at" AS "SignIn_last_used_at", "SignIn"."expires_at" AS "SignIn_expires_at", "SignIn"."revoked_at" AS "SignIn_revoked_at"
FROM "sign_ins" "SignIn"
WHERE (("SignIn"."user_id" = $1) AND ("SignIn"."revoked_at" IS NULL) AND ("SignIn"."expires_at" > now()) AND ("SignIn"."id" < $2))
ORDER BY "SignIn"."id" DESC
LIMIT 21;

-- SignInsRepository.revoke
UPDATE "sign_ins"
SET "revoked_at" = now()
WHERE ("user_id" = $1 AND "id" = $2 AND "revoked_at" IS NULL AND "expires_at" > now());

-- SignInsRepository.revokeOthers
with ended as (
  update sign_ins set revoked_at = now() where user_id = $1 and id is distinct from $2 and revoked_at is null returning id
)
select id from ended;

-- SignInsRepository.sweep
begin; set local role parley_system;
with old as materialized (
  select user_id, id from sign_ins where least(expires_at, revoked_at) < now() - $1 * interval '1 day' limit 1000
)
delete from sign_ins s using old o where s.user_id = o.user_id and s.id = o.id;
commit;

