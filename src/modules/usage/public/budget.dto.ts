import { ApiProperty } from '@nestjs/swagger';
import { IsInt, Max, Min, ValidateIf } from 'class-validator';
import type { BudgetState, Limits, PeriodState } from '../budget-state.js';

const amount = {
  type: 'integer',
  nullable: true,
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  example: 5_000_000,
} as const;

const IsAmountOrNull = (): PropertyDecorator => (target, name) => {
  ValidateIf((_, value: unknown) => value !== null)(target, name);
  IsInt()(target, name as string);
  Min(0)(target, name as string);
  Max(Number.MAX_SAFE_INTEGER)(target, name as string);
};

/** What may be spent, in millionths of a US dollar. Both are to be given. */
export class SetBudgetRequest {
  @ApiProperty({ ...amount, description: 'In a day (UTC); null: no limit.' })
  @IsAmountOrNull()
  day_limit_micro_usd: number | null;

  @ApiProperty({ ...amount, description: 'In a month (UTC); null: no limit.' })
  @IsAmountOrNull()
  month_limit_micro_usd: number | null;
}

/** What admins allow an account at most, in millionths of a US dollar. Both are to be given. */
export class SetBudgetCapRequest {
  @ApiProperty({ ...amount, description: 'In a day (UTC); null: as much as its user likes.' })
  @IsAmountOrNull()
  day_cap_micro_usd: number | null;

  @ApiProperty({ ...amount, description: 'In a month (UTC); null: as much as its user likes.' })
  @IsAmountOrNull()
  month_cap_micro_usd: number | null;
}

/** A budget in its running day or month. */
export class BudgetPeriod {
  @ApiProperty({ type: 'integer', nullable: true, description: 'null: no limit.' })
  limit_micro_usd: number | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    description: 'What an admin allows at most; the smaller of the two holds. null: anything.',
  })
  cap_micro_usd: number | null;

  @ApiProperty({ type: 'integer', description: 'By the ledger, as far as costs are known.' })
  spent_micro_usd: number;

  @ApiProperty({ format: 'date-time', description: 'When it begins anew.' })
  renews_at: string;
}

/** What may be spent and what is; amounts in millionths of a US dollar. */
export class Budget {
  @ApiProperty({ type: BudgetPeriod })
  day: BudgetPeriod;

  @ApiProperty({ type: BudgetPeriod })
  month: BudgetPeriod;

  @ApiProperty({ type: 'integer', description: 'What the turns that run or wait may cost at most.' })
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
