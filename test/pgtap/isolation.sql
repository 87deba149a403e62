-- Judged by pgTAP, from PostgreSQL's own catalogue alone: what keeps the tenants apart. It knows no table by name, so a new one
-- is judged as well. Run by `npm run pgtap`, or by psql as a superuser on any migrated database that has the extension; it
-- plants two tenants, tries everything, and rolls all of it back.
begin;
select no_plan();

-- ---- two tenants with one row each in every table ----

-- Rows need not be true, only there: their checks go, their triggers sleep, and everything of a tenant has the same id, so
-- that each row belongs to every other of its tenant.
set local session_replication_role = replica;

do $$
declare
  doomed record;
begin
  for doomed in
    select conrelid::regclass as tbl, conname from pg_constraint
    where contype = 'c' and connamespace = 'public'::regnamespace
  loop
    execute format('alter table %s drop constraint %I', doomed.tbl, doomed.conname);
  end loop;
end $$;

create temp table tenants (name text, user_id uuid, thing uuid);
insert into tenants values ('ada', gen_random_uuid(), gen_random_uuid()), ('eve', gen_random_uuid(), gen_random_uuid());

create temp view judged as
select c.oid::regclass as tbl, c.relname::text as name, case c.relname when 'users' then 'id' else 'user_id' end as owner
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')
  and (c.relname = 'users' or exists (
    select from pg_attribute a where a.attrelid = c.oid and a.attname = 'user_id' and not a.attisdropped));

create function pg_temp.value_of(type text, tenant tenants) returns jsonb language sql as $$
  select case
    when type = 'uuid' then to_jsonb(tenant.thing)
    when type like '%[]' then '"{}"'
    when type like 'timestamp%' or type = 'date' then to_jsonb(now())
    when type in ('integer', 'bigint', 'smallint', 'numeric') then '1'
    when type = 'boolean' then 'true'
    when type = 'jsonb' then '{}'
    when type = 'bytea' then to_jsonb('\x' || encode(uuid_send(tenant.thing), 'hex'))
    else to_jsonb(tenant.name)
  end
$$;

create function pg_temp.plant(tbl regclass, owner text, tenant tenants) returns void language plpgsql as $$
declare
  given jsonb;
begin
  select jsonb_object_agg(attname,
      case when attname = owner then to_jsonb(tenant.user_id)
      else pg_temp.value_of(format_type(atttypid, atttypmod), tenant) end)
  into given
  from pg_attribute
  where attrelid = tbl and attnum > 0 and not attisdropped and attgenerated = '' and attidentity = ''
    and (attname = owner or attname = 'project_id' or (attnotnull and not atthasdef));
  execute format('insert into %s (%s) select %2$s from jsonb_populate_record(null::%1$s, $1)', tbl,
    (select string_agg(quote_ident(key), ', ') from jsonb_object_keys(given) key)) using given;
end $$;

select pg_temp.plant(tbl, owner, t) from judged j, tenants t order by j.name;
set local session_replication_role = origin;

-- ---- what a role can do: the number of rows, or the code of the refusal; nothing stays done ----

create function pg_temp.attempt(who text, tenant text, project text, statement text) returns text language plpgsql as $$
declare
  n bigint;
begin
  perform set_config('app.user_id', tenant, true), set_config('app.project_id', project, true), set_config('role', who, true);
  execute statement;
  get diagnostics n = row_count;
  raise exception using errcode = 'ZZ000', message = n::text;
exception
  when sqlstate 'ZZ000' then return sqlerrm;
  when others then return sqlstate;
end $$;

create function pg_temp.policies_of(t regclass) returns table (name text, permissive boolean, cmd "char", roles text[], reads text, writes text)
language sql as $$
  select polname, polpermissive, polcmd, array(select r::regrole::text from unnest(polroles) r order by 1),
    pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
  from pg_policy where polrelid = t
$$;

-- ---- the verdicts ----

create function pg_temp.judge(t judged, ada tenants, eve tenants) returns setof text language plpgsql as $$
declare
  is_tenant text := format(
    $q$(%I = ( SELECT (NULLIF(current_setting('app.user_id'::text, true), ''::text))::uuid AS "nullif"))$q$, t.owner);
  mine text := format('select from %s', t.tbl);
  hers text := format('select from %s where %I = %L', t.tbl, t.owner, ada.user_id);
  copied text := format('insert into %s select * from jsonb_populate_record(null::%1$s, %L)', t.tbl, (
    select to_jsonb(row) from (select 1) one, lateral (select pg_temp.row_of(t.tbl, t.owner, ada.user_id) as row) r));
  seen text;
begin
  return next ok((select relrowsecurity and relforcerowsecurity from pg_class where oid = t.tbl),
    t.name || ': row-level security is enabled and forced');
  return next results_eq(
    format('select permissive, cmd, roles, reads, writes from pg_temp.policies_of(%L) where permissive and ''parley_app'' = any (roles)', t.tbl),
    format('values (true, ''*''::"char", array[''parley_app''], %L, %1$L)', is_tenant),
    t.name || ': what the application may see and write is what its tenant owns, by one policy');
  return next is_empty(
    format('select name from pg_temp.policies_of(%L) where roles <> array[''parley_app''] and roles <> array[''parley_system'']', t.tbl),
    t.name || ': no policy is for anybody else');
  return next is(pg_temp.attempt('parley_app', ada.user_id::text, '', mine), '1', t.name || ': a tenant sees her own row and no other');
  return next is(pg_temp.attempt('parley_app', eve.user_id::text, '', hers), '0', t.name || ': another does not see it');
  return next is(pg_temp.attempt('parley_app', '', '', mine), '0', t.name || ': without a tenant there is nothing');
  return next is(pg_temp.attempt('parley_app', '', '', copied), '42501', t.name || ': without a tenant nothing is written');
  return next is(pg_temp.attempt('parley_app', eve.user_id::text, '', copied), '42501', t.name || ': nothing is written for another tenant');
  foreach seen in array array[
    pg_temp.attempt('parley_app', eve.user_id::text, '', format('update %s set %I = %2$I where %2$I = %L', t.tbl, t.owner, ada.user_id)),
    pg_temp.attempt('parley_app', eve.user_id::text, '', format('delete from %s where %I = %L', t.tbl, t.owner, ada.user_id))]
  loop
    return next ok(seen in ('0', '42501'), t.name || ': nothing of another tenant is changed or deleted');
  end loop;
  if exists (select from pg_temp.policies_of(t.tbl) where not permissive) then
    return next is(pg_temp.attempt('parley_app', ada.user_id::text, ada.thing::text, mine), '1', t.name || ': a bound project has its row');
    return next is(pg_temp.attempt('parley_app', ada.user_id::text, eve.thing::text, mine), '0', t.name || ': another project has not');
  end if;
  return next ok(not has_table_privilege('parley_app', t.tbl, 'truncate, references, trigger'),
    t.name || ': the application has no right that policies do not govern');
  return next is_empty(
    format('select from pg_class, aclexplode(relacl) a where oid = %L::regclass and a.grantee = 0', t.tbl),
    t.name || ': everybody else has no right');
end $$;

create function pg_temp.row_of(tbl regclass, owner text, who uuid) returns jsonb language plpgsql as $$
declare
  found jsonb;
begin
  execute format('select to_jsonb(t) from %s t where %I = $1', tbl, owner) into found using who;
  return found;
end $$;

select cmp_ok((select count(*) from judged), '>=', 15::bigint, 'there are tables to judge');
select pg_temp.judge(t, ada, eve) from judged t, tenants ada, tenants eve where ada.name = 'ada' and eve.name = 'eve' order by t.name;

select is_empty(
  format('select name from pg_temp.policies_of(%L) where permissive and ''parley_app'' = any (roles) and cmd in (''w'', ''d'', ''*'') and reads !~ ''app\.user_id''', c.oid::regclass),
  c.relname || ': belongs to nobody, and no policy lets just anybody change it')
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and c.oid not in (select tbl from judged)
order by c.relname;

select isnt_superuser(role) from unnest(array['parley_app', 'parley_system']) role;
select is_empty(
  $$select rolname from pg_roles where rolname in ('parley_app', 'parley_system')
    and (rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or rolcanlogin or rolinherit)$$,
  'the roles have no power of their own');
select is_empty(
  $$select refobjid::regrole, classid::regclass, objid from pg_shdepend
    where deptype = 'o' and refclassid = 'pg_authid'::regclass
      and refobjid in ('parley_app'::regrole, 'parley_system'::regrole)$$,
  'the roles own nothing, in any database');
select is_empty(
  $$select roleid::regrole from pg_auth_members where member in ('parley_app'::regrole, 'parley_system'::regrole)$$,
  'the roles can become nobody else');
select is_empty(
  $$select proname from pg_proc where prosecdef and pronamespace = 'public'::regnamespace$$,
  'no function acts with the rights of its owner');
select is_empty(
  $$select relname from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace$$,
  'no view acts with the rights of its owner');
select is_empty(
  $$select tables.t, a.attname from (values ('messages', 'content'), ('turn_chunks', 'text'), ('prompts', 'content'),
      ('chat_sessions', 'title'), ('provider_keys', 'sealed_key'), ('data_keys', 'wrapped_key'), ('second_factors', 'secret'))
      tables (t, c) join pg_attribute a on a.attrelid = tables.t::regclass and a.attname = tables.c
    where has_column_privilege('parley_system', a.attrelid, a.attnum, 'select')$$,
  'the role across tenants can not read a conversation, nor a secret');

select * from finish();
rollback;
