import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { int, statement, text } from '../../platform/database/statement.js';
import type { LedgerRef, UsageKind, UsedCall } from './public/used-call.js';

/** A ledger entry with tokens of our own count. */
export interface EstimatedEntry extends LedgerRef, Omit<UsedCall, 'isOwnKey' | 'isEstimated' | 'rawUsage'> {
  readonly kind: UsageKind;
  readonly attempt: number;
  readonly generationId: string;
}

const LIST_ESTIMATED = statement<EstimatedEntry>()(
  'usage_list_estimated',
  { provider: text, limit: int },
  `
select e.user_id as "userId", e.message_id as "messageId", e.project_id as "projectId", e.session_id as "sessionId", e.kind,
  e.attempt, e.provider, e.model, coalesce(e.asked_model, e.model) as "askedModel", e.status, e.input_tokens as "inputTokens", e.output_tokens as "outputTokens",
  e.cached_input_tokens as "cachedInputTokens", e.cost_micro_usd::float8 as "costMicroUsd", e.generation_id as "generationId"
from usage_entries e
where e.is_estimated and e.generation_id is not null and e.revision = 0 and not e.is_own_key and e.provider = :provider
  and e.created_at > now() - interval '1 hour'
  and not exists (
    select 1 from usage_entries c where c.user_id = e.user_id and c.message_id = e.message_id and c.kind = e.kind
      and c.attempt = e.attempt and c.revision > 0)
order by e.created_at limit :limit`,
);

@Injectable()
export class EntriesRepository {
  constructor(private readonly system: SystemScope) {}

  /** Uncorrected entries of the last hour of all users, oldest first. */
  async listEstimated(provider: string, limit: number): Promise<EstimatedEntry[]> {
    const estimated = LIST_ESTIMATED({ provider, limit });
    return (await this.system.query('compare estimated usage with the records of the provider', estimated)).rows;
  }
}
