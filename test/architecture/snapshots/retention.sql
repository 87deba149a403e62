-- RetentionRepository.listDue
begin; set local role parley_system;
select user_id as "userId", project_id as "projectId" from (
  select p.user_id, p.id as project_id from projects p
  where p.retention_days is not null and exists (
    select from chat_sessions s where s.user_id = p.user_id and s.project_id = p.id
      and s.last_active_at < now() - p.retention_days * interval '24 hours')
  union
  select r.user_id, r.project_id from retention_runs r
) due
where (user_id, project_id) > ($1, $2) order by 1, 2 limit $3;
commit;

-- RetentionRepository.lockProject
select retention_days as days from projects where user_id = $1 and id = $2 for share;

-- RetentionRepository.lockSessions
select s.id, s.last_seq as size from chat_sessions s
where s.user_id = $1 and s.project_id = $2 and s.last_active_at < now() - $3::int * interval '24 hours'
  and not exists (select from turns t where t.user_id = $1 and t.session_id = s.id)
order by s.last_active_at, s.id limit $4 for update skip locked;

-- RetentionRepository.remove
with found as materialized (
  select route, key from idempotency_keys
  where user_id = $1 and (
    message_id in (select m.id from messages m where m.user_id = $1 and m.session_id = any ($2::uuid[]))
    or response -> 'body' ->> 'session_id' = any ($2::uuid[]::text[])
    or response -> 'body' ->> 'id' = any ($2::uuid[]::text[]))
  for update skip locked
), gone as (
  delete from idempotency_keys k using found f
  where k.user_id = $1 and k.route = f.route and k.key = f.key returning 1)
select count(*)::int as deleted from gone;
with doomed as (
  delete from messages where user_id = $1 and id = any (array(
    select id from messages where user_id = $1 and session_id = any ($2::uuid[])
    order by seq desc limit 5000)) returning 1)
select count(*)::int as deleted from doomed;
delete from chat_sessions where user_id = $1 and id = any ($2::uuid[]);

-- RetentionRepository.addToRun
insert into retention_runs as r (user_id, project_id, sessions, messages, idempotency_keys)
values ($1, $2, $3, $4, $5)
on conflict on constraint pk_retention_runs do update set sessions = r.sessions + excluded.sessions,
  messages = r.messages + excluded.messages, idempotency_keys = r.idempotency_keys + excluded.idempotency_keys;

-- RetentionRepository.removeRun
with taken as (
  delete from retention_runs where user_id = $1 and project_id = $2 returning sessions, messages, idempotency_keys
)
select sessions, messages, idempotency_keys as "idempotencyKeys" from taken;

