-- IdempotencyRepository.lock
select pg_try_advisory_xact_lock(hashtextextended($1, 0)) as held;

-- IdempotencyRepository.find
select request_hash as "requestHash", message_id as "messageId", response from idempotency_keys
where user_id = $1 and route = $2 and key = $3;

-- IdempotencyRepository.insert
insert into idempotency_keys (user_id, route, key, request_hash, response)
select id, $2, $3, $4, $5 from users where id = $1;

-- IdempotencyRepository.findKept
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
select request_hash as "requestHash", message_id as "messageId", response from idempotency_keys
where user_id = $1 and route = $2 and key = $3;
commit;

-- IdempotencyRepository.sweep
begin; set local role parley_system;
with old as materialized (
  select user_id, route, key from idempotency_keys where created_at < now() - $1 * interval '1 hour'
  order by created_at limit 1000
)
delete from idempotency_keys k using old o where k.user_id = o.user_id and k.route = o.route and k.key = o.key;
commit;

