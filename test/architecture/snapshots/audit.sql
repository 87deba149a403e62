-- AuditRepository.append
with head as (
  insert into audit_heads as h (user_id, seq, previous_hash, hash)
  values ($1, 1, $2, sha256($2::bytea || int4send(1) || $3::bytea))
  on conflict on constraint pk_audit_heads do update
  set seq = h.seq + 1, previous_hash = h.hash, hash = sha256(h.hash || int4send(h.seq + 1) || $3::bytea)
  returning seq, previous_hash, hash
)
insert into audit_events (user_id, seq, id, at, actor_kind, actor_id, action, subject_id, facts, previous_hash, hash)
select $1, seq, $4, $5, $6, $7, $8, $9, $10, previous_hash, hash from head
returning seq, hash;

-- AuditRepository.list
select user_id as "userId", seq, id, at, actor_kind as "actorKind", actor_id as "actorId", action,
  subject_id as "subjectId", facts, previous_hash as "previousHash", hash from audit_events
where user_id = $1 and seq < coalesce($2, 2147483647) order by seq desc limit $3;

-- AuditRepository.walk
begin; set local role parley_system;
select e.*, h.seq as "headSeq", h.hash as "headHash"
from (
  select user_id as "userId", seq, id, at, actor_kind as "actorKind", actor_id as "actorId", action,
  subject_id as "subjectId", facts, previous_hash as "previousHash", hash from audit_events where (user_id, seq) > ($1, $2) order by user_id, seq limit $3
) e
left join audit_heads h on h.user_id = e."userId"
order by e."userId", e.seq;
commit;

-- AuditRepository.listEmptied
begin; set local role parley_system;
select h.user_id as "userId" from audit_heads h
where not exists (select from audit_events e where e.user_id = h.user_id) order by 1;
commit;

