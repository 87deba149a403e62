import type { TestApp } from './test-app.js';

export interface Entry {
  message_id: string;
  kind: string;
  attempt: number;
  revision: number;
  project_id: string;
  session_id: string;
  provider: string;
  model: string;
  asked_model: string | null;
  is_own_key: boolean;
  status: string;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_input_tokens: number | null;
  is_estimated: boolean;
  price_version: string | null;
  cost_micro_usd: number | null;
  generation_id: string | null;
  raw_usage: unknown;
}

/** The ledger of a user, oldest first. */
export function entriesOf({ database }: TestApp, { id }: { id: string }): Promise<Entry[]> {
  return database.query<Entry>(
    `select e.*, e.cost_micro_usd::int as cost_micro_usd from usage_entries e
     where user_id = $1 order by created_at, kind, attempt, revision`,
    [id],
  );
}

interface Price {
  readonly model?: string;
  readonly provider?: string;
  readonly input?: number;
  readonly cached?: number;
  readonly output?: number;
  readonly from?: string;
  readonly version?: string;
}

/** The price of the scripted model, in micro-dollars per token. */
export async function setPrice(
  { database }: TestApp,
  {
    model = 'scripted',
    provider = 'openai',
    input = 0,
    cached,
    output = 1,
    from = '2020-01-01',
    version = 'test',
  }: Price = {},
): Promise<void> {
  const perMillion = [input, cached, output].map((amount) => (amount === undefined ? null : amount * 1_000_000));
  await database.query(
    `insert into prices (provider, model, valid_from, input_micro_usd, cached_input_micro_usd, output_micro_usd, version)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [provider, model, from, ...perMillion, version],
  );
}

/** Budgets whose spent amount differs from the ledger, for the current day and month. */
export function driftOf({ database }: TestApp): Promise<object[]> {
  return database.query(`
    select b.user_id, b.project_id, b.day_spent_micro_usd, b.month_spent_micro_usd, l.*
    from budgets b, lateral (
      select coalesce(sum(cost_micro_usd) filter (where (created_at at time zone 'UTC')::date = b.day), 0) as in_day,
        coalesce(sum(cost_micro_usd) filter (where date_trunc('month', created_at at time zone 'UTC') = b.month), 0) as in_month
      from usage_entries e where e.user_id = b.user_id and (b.project_id is null or e.project_id = b.project_id)
    ) l
    where l.in_day <> b.day_spent_micro_usd or l.in_month <> b.month_spent_micro_usd`);
}
