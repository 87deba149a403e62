-- UsersRepository.find
SELECT "User"."id" AS "User_id", "User"."email" AS "User_email", "User"."password_hash" AS "User_password_hash", "User"."display_name" AS "User_display_name", "User"."role" AS "User_role", "User"."disabled_at" AS "User_disabled_at", "User"."email_verified_at" AS "User_email_verified_at", "User"."plan" AS "User_plan", "User"."requests_per_minute" AS "User_requests_per_minute", "User"."tokens_per_minute" AS "User_tokens_per_minute", "User"."created_at" AS "User_created_at"
FROM "users" "User"
WHERE (("User"."id" = $1))
LIMIT 1;

-- UsersRepository.findForUpdate
SELECT "User"."id" AS "User_id", "User"."email" AS "User_email", "User"."password_hash" AS "User_password_hash", "User"."display_name" AS "User_display_name", "User"."role" AS "User_role", "User"."disabled_at" AS "User_disabled_at", "User"."email_verified_at" AS "User_email_verified_at", "User"."plan" AS "User_plan", "User"."requests_per_minute" AS "User_requests_per_minute", "User"."tokens_per_minute" AS "User_tokens_per_minute", "User"."created_at" AS "User_created_at"
FROM "users" "User"
WHERE (("User"."id" = $1))
LIMIT 1 FOR NO KEY UPDATE;

-- UsersRepository.insert
INSERT INTO "users"("id", "email", "password_hash", "display_name", "role", "disabled_at", "email_verified_at", "plan", "requests_per_minute", "tokens_per_minute", "created_at")
VALUES ($1, $2, $3, $4, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT, DEFAULT)
RETURNING "role", "created_at";

-- UsersRepository.update
UPDATE "users"
SET "display_name" = $1
WHERE "id" = $2;

-- UsersRepository.update
UPDATE "users"
SET "password_hash" = $1
WHERE "id" = $2;

-- UsersRepository.update

-- UsersRepository.update
UPDATE "users"
SET "role" = $1
WHERE "id" = $2;

-- UsersRepository.update
UPDATE "users"
SET "plan" = $1, "requests_per_minute" = $2, "tokens_per_minute" = $3
WHERE "id" = $4;

-- UsersRepository.lockAdministration
select pg_advisory_xact_lock($1);

-- UsersRepository.setDisabled
update users set disabled_at = case when $2 then coalesce(disabled_at, now()) end where id = $1;

-- UsersRepository.listAccounts
begin; set local role parley_system;
select id, email, role, disabled_at as "disabledAt", created_at as "createdAt" from users
where ($1::text is null or email like $1) and ($2::boolean is null or (disabled_at is not null) = $2)
  and ($3::uuid is null or id < $3)
order by id desc limit $4;
commit;

-- UsersRepository.resetPassword
UPDATE "users"
SET "password_hash" = $1, "email_verified_at" = coalesce("email_verified_at", now())
WHERE ("id" = $2 AND "password_hash" = $3);

-- UsersRepository.verifyEmail
UPDATE "users"
SET "email_verified_at" = now()
WHERE ("id" = $1 AND "email_verified_at" IS NULL);

-- UsersRepository.findCredentials
begin; set local role parley_system;
select id as "userId", password_hash as "passwordHash", disabled_at is not null as "isDisabled",
  email_verified_at is not null as "isEmailVerified"
from users where email = $1;
commit;

