-- UsersRepository.find
SELECT "User"."id" AS "User_id", "User"."email" AS "User_email", "User"."password_hash" AS "User_password_hash", "User"."display_name" AS "User_display_name", "User"."created_at" AS "User_created_at"
FROM "users" "User"
WHERE (("User"."id" = $1))
LIMIT 1;

-- UsersRepository.insert
INSERT INTO "users"("id", "email", "password_hash", "display_name", "created_at")
VALUES ($1, $2, $3, $4, DEFAULT)
RETURNING "created_at";

-- UsersRepository.update
UPDATE "users"
SET "display_name" = $1
WHERE "id" = $2;

-- UsersRepository.update
UPDATE "users"
SET "password_hash" = $1
WHERE "id" = $2;

-- UsersRepository.update

-- UsersRepository.remove
DELETE
FROM "users"
WHERE "id" = $1;

-- UsersRepository.findCredentials
begin; set local role parley_system;
select id as "userId", password_hash as "passwordHash" from users where email = $1;
commit;

