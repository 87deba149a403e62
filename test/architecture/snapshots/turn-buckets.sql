-- TurnBucketsRepository.sweep
begin; set local role parley_system;
with old as materialized (
  select user_id, subject_id, unit from turn_buckets where full_at < now() - interval '1 day'
  limit 1000 for no key update skip locked
)
delete from turn_buckets b using old o
where b.user_id = o.user_id and b.subject_id = o.subject_id and b.unit = o.unit;
commit;

