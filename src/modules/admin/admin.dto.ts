import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';
import { IsIn, IsISO8601, IsOptional, IsString, MaxLength } from 'class-validator';
import { INT64 } from '../../platform/http/api-schema.js';
import { PageQuery, PageResponse } from '../../platform/http/page.dto.js';
import { IsStorableText } from '../../platform/http/storable-text.decorator.js';

const STATUSES = ['active', 'disabled'] as const;

export class ListAccountsQuery extends PageQuery {
  @ApiPropertyOptional({
    maxLength: 254,
    description: 'Lists accounts whose e-mail address begins with this text, in upper or lower case.',
  })
  @IsOptional()
  @IsString()
  @MaxLength(254)
  @IsStorableText()
  email?: string;

  @ApiPropertyOptional({ enum: STATUSES, description: 'Lists accounts with this status only.' })
  @IsOptional()
  @IsIn(STATUSES)
  status?: (typeof STATUSES)[number];
}

export class UsageQuery extends PageQuery {
  @ApiPropertyOptional({
    format: 'date-time',
    description: 'Counts calls that were recorded at or after this time. 30 days before `to` when absent.',
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  from?: string;

  @ApiPropertyOptional({
    format: 'date-time',
    description: 'Counts calls that were recorded before this time. Now when absent.',
  })
  @IsOptional()
  @IsISO8601({ strict: true, strictSeparator: true })
  to?: string;
}

/** An account as admins see it. */
@ApiSchema({ name: 'Account' })
export class AccountResponse {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  email: string;

  @ApiProperty({ enum: ['user', 'admin'], enumName: 'AccountRole' })
  role: 'user' | 'admin';

  @ApiProperty({ enum: STATUSES, enumName: 'AccountStatus' })
  status: (typeof STATUSES)[number];

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'null: the account is active.' })
  disabled_at: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;
}

export class AccountPage extends PageResponse {
  @ApiProperty({ type: [AccountResponse] })
  data: AccountResponse[];
}

const sum = { ...INT64, nullable: true } as const;

/** The usage of one account in a period. */
export class AccountUsage {
  @ApiProperty({ format: 'uuid' })
  user_id: string;

  @ApiProperty({ format: 'email', example: 'ada@example.com' })
  email: string;

  @ApiProperty({ ...INT64, description: 'Answers that a model was asked for, however they ended.' })
  turns: number;

  @ApiProperty({ ...sum, description: 'null: it is known of no answer.' })
  input_tokens: number | null;

  @ApiProperty({ ...sum, description: 'null: it is known of no answer.' })
  output_tokens: number | null;

  @ApiProperty({
    ...sum,
    description:
      'Millionths of a US dollar, with titles and summaries of sessions. Calls without a known cost are left out. null: no cost is known.',
  })
  cost_micro_usd: number | null;

  @ApiProperty({ ...INT64, description: 'Answers with at least one call whose cost is not known.' })
  turns_without_cost: number;
}

export class AccountUsagePage extends PageResponse {
  @ApiProperty({ type: [AccountUsage] })
  data: AccountUsage[];
}
