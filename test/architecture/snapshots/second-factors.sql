-- SecondFactorsRepository.find
SELECT "SecondFactor"."user_id" AS "SecondFactor_user_id", "SecondFactor"."secret" AS "SecondFactor_secret", "SecondFactor"."last_step" AS "SecondFactor_last_step", "SecondFactor"."recovery_hashes" AS "SecondFactor_recovery_hashes", "SecondFactor"."confirmed_at" AS "SecondFactor_confirmed_at", "SecondFactor"."created_at" AS "SecondFactor_created_at"
FROM "second_factors" "SecondFactor"
WHERE (("SecondFactor"."user_id" = $1))
LIMIT 1;

-- SecondFactorsRepository.offer
insert into second_factors as f (user_id, secret) values ($1, $2)
on conflict (user_id) do update set secret = excluded.secret, last_step = 0, created_at = now()
where f.confirmed_at is null and f.user_id = $1 returning f.user_id;

-- SecondFactorsRepository.confirm
UPDATE "second_factors"
SET "confirmed_at" = now(), "recovery_hashes" = $1
WHERE ("user_id" = $2 AND "secret" = $3 AND "confirmed_at" IS NULL);

-- SecondFactorsRepository.spendStep
UPDATE "second_factors"
SET "last_step" = $1
WHERE ("user_id" = $2 AND "last_step" < $3);

-- SecondFactorsRepository.spendRecoveryCode
with spent as (
  update second_factors set recovery_hashes = array_remove(recovery_hashes, $2)
  where user_id = $1 and $2 = any (recovery_hashes) returning recovery_hashes
) select cardinality(recovery_hashes) as left from spent;

-- SecondFactorsRepository.replaceRecoveryCodes
UPDATE "second_factors"
SET "recovery_hashes" = $1
WHERE ("user_id" = $2 AND NOT("confirmed_at" IS NULL));

-- SecondFactorsRepository.remove
DELETE
FROM "second_factors"
WHERE "user_id" = $1;

