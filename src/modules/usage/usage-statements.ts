import { int, json, statement, text, uuid } from '../../platform/database/statement.js';

/** The SQL of the ledger. `:userId` is the tenant in all statements, `:answerId` the answer. */

/** The values of `insertEntries` as SQL expressions, in which `b` is the row of `begun`. */
interface EntryValues {
  readonly kind: string;
  readonly revision: string;
  readonly project: string;
  readonly session: string;
  /** The calls as JSON. */
  readonly calls: string;
  /** One row whose `at` selects the prices; without a row, nothing is recorded. */
  readonly begun: string;
}

const undated = (name: string): string => `regexp_replace(${name}, '-(\\d{4}-\\d{2}-\\d{2}|\\d{8})$', '')`;

/** The names under which a price of call `c` may be listed, best match first. */
const PRICED_NAMES = ['c.model', 'c."askedModel"'].flatMap((name) => [name, undated(name)]).join(', ');

/**
 * Writes the calls of an answer to the ledger, each once. The price is that of the model that answered, or else that of
 * the requested model; a dated name without a price uses the price of the name without its date. Costs are rounded up
 * to whole micro-dollars. A trigger also charges the budgets.
 */
export const insertEntries = ({ kind, revision, project, session, calls, begun }: EntryValues): string => `
  insert into usage_entries (user_id, message_id, kind, attempt, revision, project_id, session_id, provider, model,
    asked_model, is_own_key, status, input_tokens, output_tokens, cached_input_tokens, is_estimated, price_version,
    cost_micro_usd, generation_id, raw_usage)
  select :userId, :answerId, ${kind}, c.attempt, ${revision}, ${project}, ${session}, c.provider, c.model, c."askedModel", c."isOwnKey",
    c.status, c."inputTokens", c."outputTokens", c."cachedInputTokens", c."isEstimated", p.version,
    coalesce(c."costMicroUsd", ceil((
      greatest(c."inputTokens" - coalesce(c."cachedInputTokens", 0), 0)::numeric * p.input_micro_usd
      + coalesce(c."cachedInputTokens", 0)::numeric * coalesce(p.cached_input_micro_usd, p.input_micro_usd)
      + c."outputTokens"::numeric * p.output_micro_usd) / 1000000)), c."generationId", c."rawUsage"
  from ${begun} b, jsonb_to_recordset(${calls}) as c (attempt int, provider text, model text, "askedModel" text,
    "isOwnKey" boolean, status text, "inputTokens" int, "outputTokens" int, "cachedInputTokens" int, "isEstimated" boolean,
    "costMicroUsd" bigint, "generationId" text, "rawUsage" jsonb)
  left join lateral (
    select l.version, l.input_micro_usd, l.cached_input_micro_usd, l.output_micro_usd
    from unnest(array[${PRICED_NAMES}]) with ordinality as n (model, rank) join prices l on l.model = n.model
    where c."costMicroUsd" is null and l.provider = c.provider and l.valid_from <= b.at
    order by n.rank, l.valid_from desc limit 1
  ) p on true
  on conflict do nothing`;

const VALUES = {
  userId: uuid,
  answerId: uuid,
  projectId: uuid,
  sessionId: uuid,
  kind: text,
  revision: int,
  calls: json,
};

const ENTRIES = insertEntries({
  project: ':projectId',
  session: ':sessionId',
  kind: ':kind',
  revision: ':revision',
  calls: ':calls',
  begun: 'begun',
});

// For a turn that was deleted with its session while the model was answering, because its usage still counts. If the
// turn was only taken over by another instance, its message still exists and nothing is recorded.
export const RECORD_DELETED_TURN = statement<object>()(
  'usage_record_deleted_turn',
  VALUES,
  `
with begun as materialized (
  select now() as at
  where not exists (select 1 from messages where user_id = :userId and id = :answerId) and exists (select 1 from users where id = :userId)
)${ENTRIES}`,
);

export const RECORD = statement<object>()(
  'usage_record',
  VALUES,
  `with begun as materialized (select now() as at)${ENTRIES}`,
);
