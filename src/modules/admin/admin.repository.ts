import { Injectable } from '@nestjs/common';
import { SystemScope } from '../../platform/database/system-scope.js';

/** What a user has used in a time, by the ledger. A sum of which nothing is known is null. */
export interface UsageRow {
  readonly userId: string;
  readonly email: string;
  readonly turns: number;
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
  readonly costMicroUsd: number | null;
  readonly turnsWithoutCost: number;
}

@Injectable()
export class AdminRepository {
  constructor(private readonly system: SystemScope) {}

  /**
   * User by user, newest account first; each is one range of the ledger's index. A turn counts once, whatever calls it
   * took, and as one without cost when one of its calls has none.
   */
  async usage(from: Date, to: Date, beforeUserId: string | null, limit: number): Promise<UsageRow[]> {
    const { rows } = await this.system.query('admins see what was used', {
      name: 'admin_usage',
      text: `
select u.id as "userId", u.email, m.*
from (select id, email from users where $1::uuid is null or id < $1 order by id desc limit $2) u
cross join lateral (
  select count(distinct message_id)::int as turns, sum(input_tokens)::float8 as "inputTokens", sum(output_tokens)::float8 as "outputTokens",
    sum(cost_micro_usd)::float8 as "costMicroUsd",
    count(distinct message_id) filter (where cost_micro_usd is null)::int as "turnsWithoutCost"
  from usage_entries where user_id = u.id and created_at >= $3 and created_at < $4
) m
order by u.id desc`,
      values: [beforeUserId, limit, from, to],
    });
    return rows as UsageRow[];
  }
}
