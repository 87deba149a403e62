import { FLUSH_MS, LEASE_MS, LLM_RETRIES, SWEEP_MS } from './cluster.mjs';
import { CANARY } from './upstream.mjs';

/** What the invariants may take for granted about time. A busy machine is slow, so the slack is wide. */
export const LIMITS = {
  leaseMs: LEASE_MS,
  llmRetries: LLM_RETRIES,
  /** Beyond a lease, until a process has noticed that it lost its claim. */
  slackMs: LEASE_MS / 3 + 1500,
  /** A turn whose process died: its lease, the look of another process, and the way to the model. */
  idleMs: 3 * LEASE_MS + SWEEP_MS + 2500,
  /** The share of turns that may lose their process without a reason: a busy machine misses a renewal. */
  strayAttempts: 0.02,
  /** Whatever was broken meanwhile: nothing of it lasts so long. */
  neverMs: 30_000,
  /** From a word of the model to a follower at another process. */
  feedMs: 3 * FLUSH_MS + 1500,
};

/** Everything the invariants look at, as plain data. */
export async function collect({ cluster, upstream, client, driver }) {
  const ms = (column) => `(extract(epoch from ${column}) * 1000)::float8`;
  const messages = await cluster.query(
    `select id, session_id as "sessionId", parent_id as "parentId", seq, role, content, status, attempt, model,
       error_code as "errorCode", cost_micro_usd::float8 as cost, ${ms('created_at')} as "createdAt", ${ms('completed_at')} as "completedAt" from messages`,
  );
  const sessions = await cluster.query('select id, last_seq as "lastSeq" from chat_sessions');
  const turns = await cluster.query(
    'select message_id as "messageId", is_running as "isRunning", owner, attempt, lease_until as "leaseUntil", request from turns',
  );
  const chunks = await cluster.query('select message_id as "messageId" from turn_chunks');
  const reservations = await cluster.query('select message_id as "messageId" from budget_reservations');
  const entries = await cluster.query(
    `select message_id as "messageId", attempt, status, cost_micro_usd::float8 as cost,
       input_tokens as "inputTokens", output_tokens as "outputTokens" from usage_entries order by attempt`,
  );
  const budgets = await cluster.query(
    `select b.id, b.day_spent_micro_usd::float8 as "daySpent", b.month_spent_micro_usd::float8 as "monthSpent",
       l.day::float8 as "dayInLedger", l.month::float8 as "monthInLedger"
     from budgets b, lateral (
       select coalesce(sum(cost_micro_usd) filter (where (created_at at time zone 'UTC')::date = b.day), 0) as day,
         coalesce(sum(cost_micro_usd) filter (where date_trunc('month', created_at at time zone 'UTC') = b.month), 0) as month
       from usage_entries e where e.user_id = b.user_id and (b.project_id is null or e.project_id = b.project_id)
     ) l`,
  );
  const submits = driver.submits.map(({ place: _place, ...submit }) => submit);
  return {
    limits: LIMITS,
    canary: CANARY,
    messages,
    sessions,
    turns,
    chunks,
    reservations,
    entries,
    budgets,
    submits,
    journal: upstream.journal,
    kills: cluster.kills,
    rolls: cluster.rolls,
    starts: cluster.starts,
    outages: cluster.outages,
    deaths: cluster.deaths,
    logFaults: cluster.logFaults,
    leaks: client.leaks,
    hangs: client.hangs,
    unexpected: client.unexpected,
  };
}
