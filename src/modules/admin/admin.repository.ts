import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';
import { int, nullable, statement, timestamptz, uuid } from '../../platform/database/statement.js';

/** The usage of one user in a period, from the ledger. A sum without any known value is null. */
export interface UsageRow {
  readonly userId: string;
  readonly email: string;
  readonly turns: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly costMicroUsd: number | null;
  readonly turnsWithoutCost: number;
}

const USAGE = statement<UsageRow>()(
  'admin_usage',
  { beforeUserId: nullable(uuid), limit: int, from: timestamptz, to: timestamptz },
  `
select u.id as "userId", u.email, m.*
from (select id, email from users where :beforeUserId::uuid is null or id < :beforeUserId order by id desc limit :limit) u
cross join lateral (
  select count(distinct message_id)::int as turns, sum(input_tokens)::float8 as "inputTokens", sum(output_tokens)::float8 as "outputTokens",
    sum(cost_micro_usd)::float8 as "costMicroUsd",
    count(distinct message_id) filter (where cost_micro_usd is null)::int as "turnsWithoutCost"
  from usage_entries where user_id = u.id and created_at >= :from and created_at < :to
) m
order by u.id desc`,
);

@Injectable()
export class AdminRepository {
  constructor(private readonly system: SystemScope) {}

  /**
   * One row per user, newest account first; each user is one range of the ledger's index. A turn counts once, however
   * many calls it made. It counts as a turn without a known cost when the cost of one of its calls is unknown.
   */
  async usage(from: Date, to: Date, beforeUserId: string | null, limit: number): Promise<UsageRow[]> {
    const usage = USAGE({ beforeUserId, limit, from, to });
    return (await this.system.query('admins see what was used', usage)).rows;
  }
}
