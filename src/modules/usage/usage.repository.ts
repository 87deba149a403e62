import { Injectable } from '@nestjs/common';
import { nullable, statement, timestamptz, uuid } from '../../platform/database/statement.js';
import { UnitOfWork } from '../../platform/database/unit-of-work.js';

/** The groupings of a usage report. */
export const GROUPINGS = ['day', 'model', 'project'] as const;
export type Grouping = (typeof GROUPINGS)[number];

/** Sums over ledger entries. A sum without any known value is null. */
export interface UsageSum {
  readonly isTotal: boolean;
  /** `YYYY-MM-DD`, in UTC. */
  readonly day: string | null;
  readonly provider: string | null;
  readonly model: string | null;
  readonly projectId: string | null;
  readonly calls: number;
  readonly inputTokens: number | null;
  readonly cachedInputTokens: number | null;
  readonly outputTokens: number | null;
  readonly costMicroUsd: number | null;
  readonly callsWithoutCost: number;
}

/** Sums by group and in total. */
const sumBy = (grouping: Grouping, key: string) => {
  const shown = (column: string): string => (key.includes(column) ? column : `null`);
  return statement<UsageSum>()(
    `usage_sum_by_${grouping}`,
    { userId: uuid, projectId: nullable(uuid), from: timestamptz, to: timestamptz },
    `with entries as (
  select e.*, to_char(e.created_at at time zone 'UTC', 'YYYY-MM-DD') as day, exists (
    select 1 from usage_entries c where c.user_id = :userId and c.message_id = e.message_id and c.kind = e.kind
      and c.attempt = e.attempt and c.revision > e.revision and c.cost_micro_usd is not null) as is_corrected
  from usage_entries e
  where e.user_id = :userId and (:projectId::uuid is null or e.project_id = :projectId) and e.created_at >= :from and e.created_at < :to
)
select grouping(${key}) > 0 as "isTotal", ${shown('day')} as day, ${shown('provider')} as provider, ${shown('model')} as model,
  ${shown('project_id')} as "projectId", count(*) filter (where revision = 0)::int as calls,
  sum(input_tokens)::float8 as "inputTokens", sum(cached_input_tokens)::float8 as "cachedInputTokens",
  sum(output_tokens)::float8 as "outputTokens", sum(cost_micro_usd)::float8 as "costMicroUsd",
  count(*) filter (where revision = 0 and cost_micro_usd is null and not is_corrected)::int as "callsWithoutCost"
from entries group by grouping sets ((${key}), ()) order by 1, ${key}`,
  );
};

const SUM = {
  day: sumBy('day', 'day'),
  model: sumBy('model', 'provider, model'),
  project: sumBy('project', 'project_id'),
};

@Injectable()
export class UsageRepository {
  constructor(private readonly unitOfWork: UnitOfWork) {}

  /** Sums by group and in total, optionally of one project. A call and its correction count as one call. */
  sum(userId: string, projectId: string | null, from: Date, to: Date, grouping: Grouping): Promise<UsageSum[]> {
    return this.unitOfWork.query(SUM[grouping]({ userId, projectId, from, to }));
  }
}
