-- UsageRecorder.recordDeletedTurn
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with begun as materialized (
  select now() as at
  where not exists (select 1 from messages where user_id = $1 and id = $2) and exists (select 1 from users where id = $1)
)
  insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model,
    asked_model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version,
    cost_micro_usd, generation_id, raw_usage)
  select $1, $2, $5, c.attempt, $6, $3, $4, c.provider, c.model, c."askedModel", c."isOwnKey",
    c.status, c."inputTokens", c."outputTokens", c."cachedInputTokens", c."isEstimated", p.version,
    coalesce(c."costMicroUsd", ceil((
      greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
      + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
      + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
  from begun b, jsonb_to_recordset($7) as c (attempt int, provider text, model text, "askedModel" text,
    "isOwnKey" boolean, status text, "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean,
    "costMicroUsd" bigint, "generationId" text, "rawUsage" jsonb)
  left join lateral (
    select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd
    from unnest(array[c.model, regexp_replace(c.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''), c."askedModel", regexp_replace(c."askedModel", '-(\d{4}-\d{2}-\d{2}|\d{8})$', '')]) with ordinality as n (model, rank) join prices l on l.model = n.model
    where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    order by n.rank, l.valid_from desc limit 1
  ) p on true
  on conflict do nothing;
commit;

-- UsageRecorder.record
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with begun as materialized (select now() as at)
  insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model,
    asked_model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version,
    cost_micro_usd, generation_id, raw_usage)
  select $1, $2, $5, c.attempt, $6, $3, $4, c.provider, c.model, c."askedModel", c."isOwnKey",
    c.status, c."inputTokens", c."outputTokens", c."cachedInputTokens", c."isEstimated", p.version,
    coalesce(c."costMicroUsd", ceil((
      greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
      + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
      + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
  from begun b, jsonb_to_recordset($7) as c (attempt int, provider text, model text, "askedModel" text,
    "isOwnKey" boolean, status text, "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean,
    "costMicroUsd" bigint, "generationId" text, "rawUsage" jsonb)
  left join lateral (
    select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd
    from unnest(array[c.model, regexp_replace(c.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''), c."askedModel", regexp_replace(c."askedModel", '-(\d{4}-\d{2}-\d{2}|\d{8})$', '')]) with ordinality as n (model, rank) join prices l on l.model = n.model
    where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    order by n.rank, l.valid_from desc limit 1
  ) p on true
  on conflict do nothing;
commit;

-- UsageRecorder.correct
select set_config('app.user_id', $1, true), set_config('app.project_id', $2, true);
with begun as materialized (select now() as at)
  insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model,
    asked_model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version,
    cost_micro_usd, generation_id, raw_usage)
  select $1, $2, $5, c.attempt, $6, $3, $4, c.provider, c.model, c."askedModel", c."isOwnKey",
    c.status, c."inputTokens", c."outputTokens", c."cachedInputTokens", c."isEstimated", p.version,
    coalesce(c."costMicroUsd", ceil((
      greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
      + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
      + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
  from begun b, jsonb_to_recordset($7) as c (attempt int, provider text, model text, "askedModel" text,
    "isOwnKey" boolean, status text, "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean,
    "costMicroUsd" bigint, "generationId" text, "rawUsage" jsonb)
  left join lateral (
    select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd
    from unnest(array[c.model, regexp_replace(c.model, '-(\d{4}-\d{2}-\d{2}|\d{8})$', ''), c."askedModel", regexp_replace(c."askedModel", '-(\d{4}-\d{2}-\d{2}|\d{8})$', '')]) with ordinality as n (model, rank) join prices l on l.model = n.model
    where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    order by n.rank, l.valid_from desc limit 1
  ) p on true
  on conflict do nothing;
commit;

