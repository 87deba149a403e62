-- CircuitsRepository.put
begin; set local role parley_system;
with put as (
  insert into circuits (key, is_open, open_until, told_by)
  values ($1, $2::int > 0, now() + $2 * interval '1 millisecond', $3::uuid)
  on conflict on constraint pk_circuits do update
  set is_open = excluded.is_open, open_until = excluded.open_until, told_by = excluded.told_by,
    changed_xid = excluded.changed_xid
)
select pg_notify('parley_circuits', $3::text);
commit;

-- CircuitsRepository.readSince
begin; set local role parley_system;
select now.since, c.key, c.is_open as "isOpen",
  extract(epoch from c.open_until - now())::float8 * 1000 as "remainingMs"
from (select pg_snapshot_xmin(pg_current_snapshot())::text as since) as now
left join circuits c on c.changed_xid >= $1::xid8 and c.told_by <> $2;
commit;

-- CircuitsRepository.sweep
begin; set local role parley_system;
delete from circuits where open_until < now() - interval '1 hour';
commit;

