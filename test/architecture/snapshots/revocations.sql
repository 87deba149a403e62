-- RevocationsRepository.put
with put as (
  insert into revocations (user_id, subject_id, is_revoked, expires_at)
  select $1, unnest($2::uuid[]), $3, now() + $4 * interval '1 second'
  on conflict on constraint pk_revocations do update
  set is_revoked = excluded.is_revoked, expires_at = excluded.expires_at, changed_xid = excluded.changed_xid
)
select pg_notify('parley_revocations', '');

-- RevocationsRepository.readSince
begin; set local role parley_system;
select now.since, r.subject_id as "subjectId", r.is_revoked as "isRevoked",
  extract(epoch from r.expires_at - now())::float8 * 1000 as "remainingMs"
from (select pg_snapshot_xmin(pg_current_snapshot())::text as since) as now
left join revocations r on r.changed_xid >= $1::xid8 and r.expires_at > now();
commit;

-- RevocationsRepository.sweep
begin; set local role parley_system;
with old as materialized (
  select user_id, subject_id from revocations where expires_at < now() limit 1000
)
delete from revocations r using old o where r.user_id = o.user_id and r.subject_id = o.subject_id;
commit;

