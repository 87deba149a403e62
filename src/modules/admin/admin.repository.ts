import { Injectable } from '@nestjs/common';
import { firstIdAt } from '../../kernel/ids.js';
import { SystemScope } from '../../platform/database/system-scope.js';

/** What a user has used in a time. A sum of which nothing is known is null. */
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
   * User by user, newest account first. The time of an answer is in its id, so each user is one range of the primary key
   * and no other index is needed.
   */
  async usage(fromMs: number, toMs: number, beforeUserId: string | null, limit: number): Promise<UsageRow[]> {
    const { rows } = await this.system.query('admins see what was used', {
      name: 'admin_usage',
      text: `
select u.id as "userId", u.email, m.*
from (select id, email from users where $1::uuid is null or id < $1 order by id desc limit $2) u
cross join lateral (
  select count(*)::int as turns, sum(input_tokens)::float8 as "inputTokens", sum(output_tokens)::float8 as "outputTokens",
    sum(cost_micro_usd)::float8 as "costMicroUsd",
    count(*) filter (where cost_micro_usd is null)::int as "turnsWithoutCost"
  from messages where user_id = u.id and role = 'assistant' and id >= $3 and id < $4
) m
order by u.id desc`,
      values: [beforeUserId, limit, firstIdAt(fromMs), firstIdAt(toMs)],
    });
    return rows as UsageRow[];
  }
}
