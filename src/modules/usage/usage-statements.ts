/**
 * The SQL of the ledger on the hot path. `$1` is the tenant in all of them, `$2` the answer, `$3` the project, `$4` the
 * session, `$5` the kind, `$6` the revision, `$7` the calls as JSON.
 */

// A dated name is the model's own when the list has no price for it. A fraction of a micro-dollar counts as one.
const ENTRIES = `
insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model, is_own_key,
  status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version, cost_micro_usd, generation_id,
  raw_usage)
select $1, $2, $5, c.attempt, $6, $3, $4, c.provider, c.model, c."isOwnKey", c.status, c."inputTokens", c."outputTokens",
  c."cachedInputTokens", c."isEstimated", p.version, coalesce(c."costMicroUsd", ceil((
    greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
    + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
    + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
from began b, jsonb_to_recordset($7) as c (attempt int, provider text, model text, "isOwnKey" boolean, status text,
  "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean, "costMicroUsd" bigint,
  "generationId" text, "rawUsage" jsonb)
left join lateral (
  select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd from prices l
  where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    and l.model in (c.model, regexp_replace(c.model, '-(\\d{4}-\\d{2}-\\d{2}|\\d{8})$', ''))
  order by l.model = c.model desc, l.valid_from desc limit 1
) p on true
on conflict do nothing`;

// $8 claim. The claim is held from here to the end of the transaction, so CLOSE, which comes next, finds it or not as we do:
// whoever has lost it writes nothing. The prices are those of when the turn was opened, by which its worst case was reserved.
export const RECORD_TURN = {
  name: 'usage_record_turn',
  text: `
with began as materialized (
  select t.created_at as at from turns t where t.user_id = $1 and t.message_id = $2 and t.claim_id = $8 for update
)${ENTRIES}`,
};

// The turn was deleted with its session while the model was answering, and was used all the same. Whoever has only lost
// it to another instance finds its message there.
export const RECORD_DELETED_TURN = {
  name: 'usage_record_deleted_turn',
  text: `
with began as materialized (
  select now() as at
  where not exists (select 1 from messages where user_id = $1 and id = $2) and exists (select 1 from users where id = $1)
)${ENTRIES}`,
};

export const RECORD = {
  name: 'usage_record',
  text: `with began as materialized (select now() as at)${ENTRIES}`,
};

// $2 answer, $3 project. Adds what this transaction has written of an answer to the budgets, which it locks as OPEN does:
// the account's first. A statement of its own: its snapshot is newer than the entries, whose foreign key has waited for
// whoever is making a budget and counting what was spent before. Without a budget it looks at one index.
export const SPEND = {
  name: 'usage_spend',
  text: `
with budget as materialized (
  select b.id from budgets b where b.user_id = $1 and (b.project_id is null or b.project_id = $3)
  order by b.project_id nulls first for no key update
), spent as (
  select coalesce(sum(e.cost_micro_usd), 0) as cost from usage_entries e
  where exists (select 1 from budget) and e.user_id = $1 and e.message_id = $2 and e.xmin = pg_current_xact_id()::xid
), today as (
  select (now() at time zone 'UTC')::date as day, date_trunc('month', now() at time zone 'UTC')::date as month
)
update budgets b
set day = greatest(b.day, t.day), month = greatest(b.month, t.month),
  day_spent_micro_usd = case when b.day >= t.day then b.day_spent_micro_usd else 0 end
    + case when b.day <= t.day then s.cost else 0 end,
  month_spent_micro_usd = case when b.month >= t.month then b.month_spent_micro_usd else 0 end
    + case when b.month <= t.month then s.cost else 0 end
from budget, spent s, today t
where b.user_id = $1 and b.id = budget.id and s.cost <> 0`,
};

// $2 answer, $3 the rules as JSON; see the migration. Gives a row when a budget applies.
export const RESERVE = {
  name: 'usage_reserve',
  text: `select warnings from reserve_budgets($1, $2, $3)`,
};
