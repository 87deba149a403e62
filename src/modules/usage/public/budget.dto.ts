import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min, ValidateIf } from 'class-validator';
import { INT64 } from '../../../platform/http/api-schema.js';
import type { BudgetState, Limits, PeriodState } from '../budget-state.js';

const amount = {
  ...INT64,
  nullable: true,
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  example: 5_000_000,
} as const;

const IsAmountOrNull = (): PropertyDecorator => (target, name) => {
  ValidateIf((_, value: unknown) => value !== null)(target, name);
  IsInt()(target, String(name));
  Min(0)(target, String(name));
  Max(Number.MAX_SAFE_INTEGER)(target, String(name));
};

/** The limits of a budget, in millionths of a US dollar. Both fields are needed. */
export class SetBudgetRequest {
  @ApiProperty({ ...amount, description: 'The most to spend in a day (UTC). null: no limit.' })
  @IsAmountOrNull()
  day_limit_micro_usd: number | null;

  @ApiProperty({ ...amount, description: 'The most to spend in a month (UTC). null: no limit.' })
  @IsAmountOrNull()
  month_limit_micro_usd: number | null;
}

/** The caps that an admin sets for an account, in millionths of a US dollar. Both fields are needed. */
export class SetBudgetCapRequest {
  @ApiProperty({ ...amount, description: 'The most that the account can spend in a day (UTC). null: no cap.' })
  @IsAmountOrNull()
  day_cap_micro_usd: number | null;

  @ApiProperty({ ...amount, description: 'The most that the account can spend in a month (UTC). null: no cap.' })
  @IsAmountOrNull()
  month_cap_micro_usd: number | null;
}

/** A budget in the current day or month. */
export class BudgetPeriod {
  @ApiProperty({ ...INT64, nullable: true, description: 'The limit that the user has set. null: no limit.' })
  limit_micro_usd: number | null;

  @ApiProperty({
    ...INT64,
    nullable: true,
    description: 'The cap that an admin has set. The smaller of limit and cap applies. null: no cap.',
  })
  cap_micro_usd: number | null;

  @ApiProperty({ ...INT64, description: 'The recorded costs. Calls without a known cost are left out.' })
  spent_micro_usd: number;

  @ApiProperty({ format: 'date-time', description: 'When the next period begins and the spending starts from zero.' })
  renews_at: string;
}

/** The limits of a budget and what has been spent, in millionths of a US dollar. */
export class Budget {
  @ApiProperty({ type: BudgetPeriod })
  day: BudgetPeriod;

  @ApiProperty({ type: BudgetPeriod })
  month: BudgetPeriod;

  @ApiProperty({ ...INT64, description: 'The most that the turns which run or wait now may cost.' })
  reserved_micro_usd: number;
}

export function toLimits(request: SetBudgetRequest): Limits {
  return { day: request.day_limit_micro_usd, month: request.month_limit_micro_usd };
}

export function toCaps(request: SetBudgetCapRequest): Limits {
  return { day: request.day_cap_micro_usd, month: request.month_cap_micro_usd };
}

export function presentBudget({ day, month, reserved }: BudgetState): Budget {
  return { day: presentPeriod(day), month: presentPeriod(month), reserved_micro_usd: reserved };
}

function presentPeriod({ limit, cap, spent, renewsAt }: PeriodState): BudgetPeriod {
  return {
    limit_micro_usd: limit,
    cap_micro_usd: cap,
    spent_micro_usd: spent,
    renews_at: renewsAt.toISOString(),
  };
}
